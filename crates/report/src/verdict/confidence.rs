//! How sure a verdict is that is not withheld.

use super::case::Case;
use super::choice::WORTH;
use super::machine::SPREAD;
use crate::Confidence;

/// Rounds from which an interval says something: of fewer, no spread can be told.
pub(crate) const ROUNDS: u64 = 3;

/// Low if the measurement cannot tell the forms apart by more than a wrong choice may cost, medium
/// if it can, but something is in doubt, else high.
pub(crate) fn of(case: &Case<'_>) -> Confidence {
    let second = case.runner_up.as_ref();
    let rounds = std::iter::once(&case.winner)
        .chain(second)
        .map(|one| one.row.rounds.unwrap_or(1))
        .min()
        .unwrap_or(1);
    let costly_tie = case.tie().iter().any(|one| case.slower(one) > WORTH)
        || case.slower(&case.fastest) < 1.0 / WORTH;
    let strays =
        [Some(&case.winner), second].into_iter().flatten().any(|one| one.spread() > SPREAD);
    // A winner that is far ahead stays ahead however much the rounds stray.
    let far_ahead =
        case.tie().is_empty() && second.is_none_or(|one| one.low > 1.5 * case.winner.high);
    if rounds < 2 || costly_tie || (strays && !far_ahead) {
        return Confidence::Low;
    }
    let doubtful = !case.tie().is_empty()
        || rounds < ROUNDS
        || strays
        || (case.machine.is_busy() && !far_ahead)
        || case.report.work.interrupted == Some(true)
        || case.nature.is_none();
    if doubtful { Confidence::Medium } else { Confidence::High }
}
