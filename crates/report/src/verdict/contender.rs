//! Which concurrency speaks for a form.

use crate::{Form, Status};

/// A concurrency is enough if no other of its form is faster by more than this share.
const ENOUGH: f64 = 0.05;

/// A row that can win: measured to its end, without an error, with the right results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender<'a> {
    /// Where it stands among the rows of the report.
    pub(crate) index: usize,
    /// The row.
    pub(crate) row: &'a Form,
    /// Seconds for all items: the lower end of the median's interval.
    pub(crate) low: f64,
    /// The median.
    pub(crate) median: f64,
    /// The upper end.
    pub(crate) high: f64,
}

impl<'a> Contender<'a> {
    fn of(index: usize, row: &'a Form) -> Option<Self> {
        if !row.measured || row.state() != Status::Ok || !row.errors.is_empty() {
            return None;
        }
        let (low, median, high) = row.elapsed()?;
        Some(Contender { index, row, low, median, high })
    }

    /// Half the width of the interval, as a share of the median.
    pub(crate) fn spread(&self) -> f64 {
        (self.high - self.low) / 2.0 / self.median
    }

    /// Whether the two intervals have a point in common.
    pub(crate) fn overlaps(&self, other: &Contender<'_>) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// Whether `row` is of the same form and function.
    pub(crate) fn is_of(&self, row: &Form) -> bool {
        self.row.form == row.form && self.row.function == row.function
    }
}

/// All rows that can win. A form that once gave other results than the rest cannot, at no
/// concurrency: a race shows itself in few of its runs.
pub(crate) fn eligible(rows: &[Form]) -> Vec<Contender<'_>> {
    let differing: Vec<&Form> = rows.iter().filter(|row| row.state() == Status::Differs).collect();
    rows.iter()
        .enumerate()
        .filter_map(|(index, row)| Contender::of(index, row))
        .filter(|one| !differing.iter().any(|row| one.is_of(row)))
        .collect()
}

/// One row for each form and function: the smallest concurrency whose throughput is within 5 % of
/// the form's best. In the order of the report.
pub(crate) fn contenders(rows: &[Form]) -> Vec<Contender<'_>> {
    let all = eligible(rows);
    let mut chosen: Vec<Contender<'_>> = Vec::new();
    for one in &all {
        if chosen.iter().any(|other| other.is_of(one.row)) {
            continue;
        }
        let own = || all.iter().filter(|other| other.is_of(one.row));
        let fastest = own().map(|other| other.median).fold(f64::INFINITY, f64::min);
        let enough = own().filter(|other| fastest >= (1.0 - ENOUGH) * other.median);
        chosen.extend(enough.min_by_key(|other| other.row.concurrency.unwrap_or(1)));
    }
    keep_first_place(&mut chosen, &all);
    chosen
}

/// A form whose smaller concurrency would cost it the first place is represented by the shortest
/// row itself.
fn keep_first_place<'a>(chosen: &mut [Contender<'a>], all: &[Contender<'a>]) {
    let Some(shortest) = all.iter().min_by(|a, b| a.median.total_cmp(&b.median)) else { return };
    let best_of_others = chosen
        .iter()
        .filter(|one| !one.is_of(shortest.row))
        .map(|one| one.median)
        .fold(f64::INFINITY, f64::min);
    for one in chosen.iter_mut().filter(|one| one.is_of(shortest.row)) {
        if one.median > best_of_others {
            *one = *shortest;
        }
    }
}
