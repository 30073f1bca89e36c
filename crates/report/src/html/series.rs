//! The rows of a report by form: a line in the charts, an entry in the table.

use crate::label;
use crate::model::{Form, Report, Status};
use crate::rows::{self, Line};

/// The forms that always look the same; others take the looks after these.
const KNOWN: [&str; 7] =
    ["plain", "coroutines", "threads", "processes", "interpreters", "asyncio", "stock threads"];

/// The class that gives a form its colour. The last ones serve the executors of users, in turn.
const LOOKS: [&str; 10] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];

/// The shapes of points, one for each look.
const POINTS: [&str; 10] = [
    "#point-0", "#point-1", "#point-2", "#point-3", "#point-4", "#point-5", "#point-6", "#point-7",
    "#point-8", "#point-9",
];

/// A row and where it stands in the report.
pub(super) struct Row<'a> {
    pub(super) form: &'a Form,
    index: usize,
    all: &'a [Form],
}

impl<'a> Row<'a> {
    /// The rows of the form and function of `row`, by concurrency.
    fn like(row: &Form, all: &'a [Form]) -> Vec<Self> {
        let alike =
            |(_, other): &(usize, &Form)| other.form == row.form && other.function == row.function;
        let found = all.iter().enumerate().filter(alike);
        let mut rows: Vec<Self> = found.map(|(index, form)| Self { form, index, all }).collect();
        rows.sort_by_key(|row| row.form.concurrency);
        rows
    }

    /// The path of one of the row's fields in the JSON.
    pub(super) fn path(&self, field: &str) -> String {
        format!("forms.{}.{field}", self.index)
    }

    /// Whether its numbers stand for the work: all of it ran, or all of it was predicted.
    pub(super) fn counts(&self) -> bool {
        matches!(self.form.state(), Status::Ok | Status::Predicted)
            && self.form.errors.is_empty()
            && self.form.elapsed().is_some()
    }

    pub(super) fn is_predicted(&self) -> bool {
        self.form.state() == Status::Predicted
    }

    /// The form, with its function where several ran.
    pub(super) fn label(&self) -> String {
        label::name(self.form, self.all)
    }

    /// `threads at 64`, with a tilde where nothing was measured.
    pub(super) fn name(&self) -> String {
        let mark = if self.is_predicted() { "~ " } else { "" };
        format!("{mark}{}", label::at(self.form, self.all))
    }
}

/// The rows of one form, by concurrency.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) function: Option<&'a str>,
    pub(super) rows: Vec<Row<'a>>,
    chosen: usize,
    has_time: bool,
    taken: bool,
    look: usize,
}

impl<'a> Series<'a> {
    /// One series for each line of the table, in its order.
    pub(super) fn of(report: &'a Report) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut others = 0;
        for line in rows::lines(report) {
            let (Line::Measured(row) | Line::Predicted(row) | Line::Without(row)) = line;
            let known = KNOWN.iter().position(|name| *name == row.form);
            let look = known.unwrap_or_else(|| {
                others += 1;
                KNOWN.len() + (others - 1) % (LOOKS.len() - KNOWN.len())
            });
            let alike = Row::like(row, &report.forms);
            let is_line = |other: &Row| std::ptr::eq(other.form, row);
            all.push(Self {
                name: &row.form,
                function: row.function.as_deref(),
                chosen: alike.iter().position(is_line).unwrap_or(0),
                has_time: !matches!(line, Line::Without(_)) && row.elapsed().is_some(),
                taken: rows::is_winner(report, row),
                rows: alike,
                look,
            });
        }
        all
    }

    /// The row that speaks for the form, if any did all of the work and did it right.
    pub(super) fn chosen(&self) -> Option<&Row<'a>> {
        self.has_time.then(|| &self.rows[self.chosen])
    }

    /// The row that says what became of the form.
    pub(super) fn telling(&self) -> &Row<'a> {
        let says = |row: &&Row| !row.counts();
        self.chosen().or_else(|| self.rows.iter().find(says)).unwrap_or(&self.rows[self.chosen])
    }

    /// The rows whose numbers count.
    pub(super) fn counting(&self) -> impl Iterator<Item = &Row<'a>> {
        self.rows.iter().filter(|row| self.has_time && row.counts())
    }

    /// The rows that were tried and gave no numbers, or those of another work.
    pub(super) fn failed(&self) -> impl Iterator<Item = &Row<'a>> {
        self.rows.iter().filter(|row| !row.counts() && !row.is_predicted())
    }

    /// Whether the verdict takes this form.
    pub(super) fn is_taken(&self) -> bool {
        self.taken
    }

    pub(super) fn look(&self) -> &'static str {
        LOOKS[self.look]
    }

    pub(super) fn point(&self) -> &'static str {
        POINTS[self.look]
    }
}
