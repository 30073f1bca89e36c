//! A line for each form.

use super::fit::{self, columns};
use super::style::{Paper, Style};
use crate::cells::{self, Column};
use crate::rows::{self, Line};
use crate::{Form, Report, label};

/// What is left out first where the terminal is narrow.
const DISPENSABLE: [Column; 8] = [
    Column::Switches,
    Column::Gil,
    Column::Latency,
    Column::Memory,
    Column::Throughput,
    Column::Cpu,
    Column::Waits,
    Column::Ratio,
];
/// Columns of the mark before a row.
const MARK: usize = 2;

struct Grid {
    columns: Vec<Column>,
    widths: Vec<usize>,
    gap: usize,
    /// The heading, then a row for each measured form.
    cells: Vec<Vec<String>>,
}

/// Writes the table.
pub(super) fn write(paper: &mut Paper, report: &Report) {
    let lines = rows::lines(report);
    let measured: Vec<&Form> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Measured(row) => Some(*row),
            _ => None,
        })
        .collect();
    if !measured.is_empty() {
        let grid = fitting(report, &measured, rows::shortest(&lines), paper.width);
        paper.line(Style::Strong, &grid.line(0, "  "));
        for (index, row) in measured.iter().enumerate() {
            let winner = rows::is_winner(report, row);
            let (style, mark) =
                if winner { (Style::Winner, "▸ ") } else { (Style::Normal, "  ") };
            paper.line(style, &grid.line(index + 1, mark));
        }
    }
    for line in &lines {
        match line {
            Line::Measured(_) => {}
            Line::Predicted(row) => {
                aside(paper, report, row, Style::Doubt, "~ ", &cells::prediction(row))
            }
            Line::Without(row) => aside(paper, report, row, Style::Bad, "  ", &label::reason(row)),
        }
    }
    if !measured.is_empty() {
        for line in fit::wrap(&legend(report), paper.width - MARK) {
            paper.line(Style::Faint, &format!("  {line}"));
        }
    }
}

impl Grid {
    fn new(report: &Report, rows: &[&Form], shortest: Option<f64>, waits: usize) -> Self {
        let columns = Column::ALL.to_vec();
        let mut cells = vec![columns.iter().map(|column| column.heading().to_owned()).collect()];
        for row in rows {
            let name = label::in_table(row, &report.forms);
            let cell = |column: &Column| cells::cell(row, *column, &name, shortest, waits);
            cells.push(columns.iter().map(cell).collect());
        }
        let mut grid = Grid { columns, widths: Vec::new(), gap: 2, cells };
        grid.measure();
        grid
    }

    fn measure(&mut self) {
        let widest = |index: usize| self.cells.iter().map(|row| columns(&row[index])).max();
        self.widths = (0..self.columns.len()).filter_map(widest).collect();
    }

    fn width(&self) -> usize {
        MARK + self.widths.iter().sum::<usize>() + self.gap * (self.widths.len() - 1)
    }

    fn drop(&mut self, column: Column) {
        if let Some(index) = self.columns.iter().position(|other| *other == column) {
            self.columns.remove(index);
            self.cells.iter_mut().for_each(|row| drop(row.remove(index)));
            self.measure();
        }
    }

    fn line(&self, row: usize, mark: &str) -> String {
        let cells: Vec<String> =
            self.columns
                .iter()
                .zip(&self.widths)
                .zip(&self.cells[row])
                .map(|((column, width), cell)| {
                    if column.is_text() {
                        fit::left(cell, *width)
                    } else {
                        fit::right(cell, *width)
                    }
                })
                .collect();
        format!("{mark}{}", cells.join(&" ".repeat(self.gap)))
    }
}

/// The fullest table that fits: narrower gaps first, then fewer kinds of wait, then fewer columns.
fn fitting(report: &Report, rows: &[&Form], shortest: Option<f64>, width: usize) -> Grid {
    for (gap, waits) in [(2, 7), (2, 3), (1, 3), (1, 2)] {
        let mut grid = Grid::new(report, rows, shortest, waits);
        grid.gap = gap;
        if grid.width() <= width {
            return grid;
        }
    }
    let mut grid = Grid::new(report, rows, shortest, 2);
    for column in DISPENSABLE {
        if grid.width() <= width {
            break;
        }
        grid.drop(column);
    }
    shorten_names(&mut grid, width);
    grid
}

/// Cuts the names so that the times beside them can be seen.
fn shorten_names(grid: &mut Grid, width: usize) {
    let over = grid.width().saturating_sub(width);
    if let Some(names) = grid.widths.first_mut() {
        *names = names.saturating_sub(over).max(8);
    }
}

/// A row that has no place in the columns: its name, then text.
fn aside(paper: &mut Paper, report: &Report, row: &Form, style: Style, mark: &str, text: &str) {
    let name = fit::clip(&label::in_table(row, &report.forms), paper.width / 2);
    let label = format!("{mark}{name}");
    let indent = columns(&label) + 2;
    paper.labelled(style, &label, indent, text);
}

fn legend(report: &Report) -> String {
    let items =
        report.work.items.0.map_or_else(|| "all items".to_owned(), |n| format!("{n} items"));
    format!(
        "time: {items}; py+C, waits, GIL: % of a unit's time (coroutines: of the loop's) in Python, \
         native code, waiting; switch: per unit"
    )
}
