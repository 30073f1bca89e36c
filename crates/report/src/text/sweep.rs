//! Throughput over concurrency, where several were measured.

use std::collections::BTreeSet;

use super::fit::{self, columns};
use super::style::{Paper, Style};
use crate::quantity::{UNKNOWN, amount};
use crate::verdict::is_prediction;
use crate::{Form, Report, Status, label};

struct Sweep<'a> {
    name: String,
    rows: Vec<&'a Form>,
}

/// Writes a line for each form that was measured at several concurrencies, the best one marked.
pub(super) fn write(paper: &mut Paper, report: &Report) {
    let sweeps = sweeps(report);
    let all: BTreeSet<u64> =
        sweeps.iter().flat_map(|sweep| &sweep.rows).filter_map(|row| row.concurrency.0).collect();
    if all.is_empty() {
        return;
    }
    let heading = "items/s at";
    let names = sweeps.iter().map(|sweep| columns(&sweep.name)).max().unwrap_or(0);
    let names = names.max(columns(heading)).min(paper.width / 2);
    let cell = cell_width(&sweeps, &all);
    let shown = shown(&all, &sweeps, paper.width.saturating_sub(names + 4) / (cell + 2));
    let line = |name: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|text| fit::right(text, cell)).collect();
        format!("  {}  {}", fit::left(name, names), cells.join("  "))
    };
    paper.blank();
    paper.line(Style::Strong, &line(heading, shown.iter().map(|at| format!("{at} ")).collect()));
    for sweep in &sweeps {
        let cells = shown.iter().map(|at| sweep.cell(*at)).collect();
        paper.line(Style::Normal, &line(&sweep.name, cells));
    }
}

impl Sweep<'_> {
    fn at(&self, concurrency: u64) -> Option<&Form> {
        self.rows.iter().find(|row| row.concurrency.0 == Some(concurrency)).copied()
    }

    fn cell(&self, concurrency: u64) -> String {
        match self.at(concurrency) {
            None => " ".to_owned(),
            Some(row) if row.state() != Status::Ok => format!("{} ", row.state().as_str()),
            Some(row) => {
                let mark = if row.best == Some(true) { "*" } else { " " };
                format!("{}{mark}", row.throughput_per_s.map_or(UNKNOWN.to_owned(), amount))
            }
        }
    }
}

fn sweeps(report: &Report) -> Vec<Sweep<'_>> {
    let mut sweeps: Vec<Sweep<'_>> = Vec::new();
    for row in report.forms.iter().filter(|row| !is_prediction(row)) {
        let name = label::name(row, &report.forms);
        match sweeps.iter_mut().find(|sweep| sweep.name == name) {
            Some(sweep) => sweep.rows.push(row),
            None => sweeps.push(Sweep { name, rows: vec![row] }),
        }
    }
    sweeps.retain(|sweep| {
        let several: BTreeSet<_> = sweep.rows.iter().filter_map(|row| row.concurrency.0).collect();
        several.len() > 1 && sweep.rows.iter().any(|row| row.throughput_per_s.is_some())
    });
    sweeps
}

fn cell_width(sweeps: &[Sweep<'_>], all: &BTreeSet<u64>) -> usize {
    let cells = sweeps.iter().flat_map(|sweep| all.iter().map(|at| columns(&sweep.cell(*at))));
    let headings = all.iter().map(|at| columns(&at.to_string()) + 1);
    cells.chain(headings).max().unwrap_or(1)
}

/// As many concurrencies as there is room for: the best ones, then the outermost.
fn shown(all: &BTreeSet<u64>, sweeps: &[Sweep<'_>], room: usize) -> Vec<u64> {
    let best = |at: &&u64| {
        sweeps.iter().any(|sweep| sweep.at(**at).is_some_and(|row| row.best == Some(true)))
    };
    let ends = all.first().into_iter().chain(all.last());
    let order = all.iter().filter(best).chain(ends).chain(all.iter());
    let mut kept = BTreeSet::new();
    for at in order {
        if kept.len() < room.max(1) {
            kept.insert(*at);
        }
    }
    kept.into_iter().collect()
}
