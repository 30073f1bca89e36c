//! Which rows a table shows, in which order.

use std::collections::BTreeSet;

use crate::verdict::{contenders, is_prediction};
use crate::{Form, Report};

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line<'a> {
    /// A form at its best concurrency.
    Measured(&'a Form),
    /// A prediction, or the reason why there is none.
    Predicted(&'a Form),
    /// A form without a time to compare.
    Without(&'a Form),
}

/// One line for each form: the measured ones, the fastest first, then predictions, then those that
/// failed or were not tried.
pub(crate) fn lines(report: &Report) -> Vec<Line<'_>> {
    let rows = &report.forms;
    let mut measured = contenders(rows);
    measured.sort_by(|a, b| a.median.total_cmp(&b.median));
    let mut shown: BTreeSet<_> = measured.iter().map(|one| key(one.row)).collect();
    let mut lines: Vec<Line<'_>> = measured.iter().map(|one| Line::Measured(one.row)).collect();
    lines.extend(rows.iter().filter(|row| is_prediction(row)).map(Line::Predicted));
    for row in rows.iter().filter(|row| !is_prediction(row)) {
        if shown.insert(key(row)) {
            lines.push(Line::Without(row));
        }
    }
    lines
}

fn key(row: &Form) -> (&str, Option<&str>) {
    (&row.form, row.function.as_deref())
}

/// Whether the verdict takes this row.
pub(crate) fn is_winner(report: &Report, row: &Form) -> bool {
    report.verdict.as_ref().is_some_and(|verdict| {
        verdict.form.as_deref() == Some(&row.form)
            && verdict.function == row.function
            && verdict.concurrency == row.concurrency
    })
}

/// The shortest time of the measured lines.
pub(crate) fn shortest(lines: &[Line<'_>]) -> Option<f64> {
    match lines.first() {
        Some(Line::Measured(row)) => row.elapsed().map(|(_, median, _)| median),
        _ => None,
    }
}
