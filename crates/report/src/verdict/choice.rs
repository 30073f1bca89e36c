//! Who wins, and who is tied with the winner.

use super::contender::Contender;
use crate::label::Kind;

/// A gain below this factor is not worth another form, and a tie does not excuse a greater loss.
pub(crate) const WORTH: f64 = 1.1;
/// Two costs within this factor of one another count as equal.
const ALIKE: f64 = 1.1;

/// The choice among the contenders.
#[derive(Clone, Debug)]
pub(crate) struct Choice<'a> {
    /// The form to take.
    pub(crate) winner: Contender<'a>,
    /// The form of the shortest row; often the winner itself.
    pub(crate) fastest: Contender<'a>,
    /// Those whose interval overlaps the winner's, it among them, the fastest first.
    pub(crate) tied: Vec<Contender<'a>>,
    /// The cost that decided between equally simple forms, if one had to.
    pub(crate) by: Option<Cost>,
}

/// A cost that decides a tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Processor seconds.
    Cpu,
    /// Bytes that the units in flight added.
    Memory,
}

impl Cost {
    /// What `one` costs.
    pub(crate) fn of(self, one: &Contender<'_>) -> Option<f64> {
        let cost = match self {
            Cost::Cpu => one.row.cpu_s,
            Cost::Memory => Some(one.row.bytes_per_unit? * one.row.concurrency.float()?),
        };
        cost.filter(|cost| cost.is_finite() && *cost > 0.0)
    }
}

/// Chooses among those `contenders` whose form has rows in `able`; `None` without such rows.
///
/// Plain code stays unless another form is worth the change. Otherwise the forms that overlap the
/// shortest row are a tie, which the simplest of them wins, as long as its median is near.
pub(crate) fn choose<'a>(
    contenders: &[Contender<'a>],
    able: &[Contender<'a>],
) -> Option<Choice<'a>> {
    let shortest = able.iter().min_by(|a, b| a.median.total_cmp(&b.median))?;
    let fastest = *contenders.iter().find(|one| one.is_of(shortest.row))?;
    let mut sorted = contenders.to_vec();
    sorted.sort_by(|a, b| a.median.total_cmp(&b.median));
    let is_able = |one: &&Contender<'a>| able.iter().any(|row| row.is_of(one.row));
    let able: Vec<Contender<'a>> = sorted.iter().filter(is_able).copied().collect();
    let stays = |one: &&Contender<'a>| {
        let near = one.median < WORTH * shortest.median || is_same_course(one, shortest);
        Kind::of(&one.row.form) == Kind::Plain && near
    };
    let (winner, by) = match able.iter().find(stays) {
        Some(&plain) => (plain, None),
        None => simplest(&able, &fastest, shortest),
    };
    let tied = sorted.into_iter().filter(|one| one.overlaps(&winner)).collect();
    Some(Choice { winner, fastest, tied, by })
}

/// Whether another form runs the same function one at a time, as plain code does, and took as long
/// as far as the intervals tell.
pub(crate) fn is_same_course(plain: &Contender<'_>, other: &Contender<'_>) -> bool {
    other.row.concurrency.0 == Some(1)
        && other.row.function == plain.row.function
        && other.overlaps(plain)
}

/// The simplest of those that are tied with the fastest; if several are, the one that costs less.
fn simplest<'a>(
    sorted: &[Contender<'a>],
    fastest: &Contender<'a>,
    shortest: &Contender<'a>,
) -> (Contender<'a>, Option<Cost>) {
    let simplicity = |one: &Contender<'a>| Kind::of(&one.row.form).simplicity();
    let outdone = |one: &Contender<'a>| {
        sorted.iter().any(|other| simplicity(other) < simplicity(one) && other.median <= one.median)
    };
    let near = |one: &&Contender<'a>| {
        let tied = one.overlaps(shortest) && one.median <= WORTH * shortest.median;
        one.index == fastest.index || (tied && !outdone(one))
    };
    let mut left: Vec<Contender<'a>> = sorted.iter().filter(near).copied().collect();
    let least = left.iter().map(simplicity).min();
    left.retain(|one| Some(simplicity(one)) == least);
    let by = [Cost::Cpu, Cost::Memory].into_iter().find(|cost| keep_cheapest(&mut left, *cost));
    // The order is that of the medians.
    (left.first().copied().unwrap_or(*fastest), by)
}

/// Drops those that cost clearly more than the cheapest; whether that dropped any. If the cost of
/// one is not known, it decides nothing.
fn keep_cheapest(left: &mut Vec<Contender<'_>>, cost: Cost) -> bool {
    let Some(costs) = left.iter().map(|one| cost.of(one)).collect::<Option<Vec<f64>>>() else {
        return false;
    };
    let most = ALIKE * costs.iter().copied().fold(f64::INFINITY, f64::min);
    let before = left.len();
    left.retain(|one| cost.of(one).is_some_and(|cost| cost <= most));
    left.len() < before
}
