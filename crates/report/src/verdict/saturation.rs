//! Rule 10: more in flight gains nothing, and it is not this machine's fault.

use super::case::Case;
use super::contender;
use crate::label::Kind;
use crate::quantity::{amount, percent};

/// From how many times the concurrency on a throughput that does not grow is called flat.
const WIDE: u64 = 4;
/// What counts as growing.
const GROWS: f64 = 1.05;
/// The share of the processors in use up to which they are not what is full.
const IDLE: f64 = 0.6;

/// If the winner's throughput is flat or falls over a fourfold concurrency while processors, loop
/// and GIL have time left: the limit is in what the work calls.
pub(crate) fn sentence(case: &Case<'_>) -> Option<String> {
    let own = |row: &crate::Form| {
        row.form == case.winner.row.form && row.function == case.winner.row.function
    };
    let from = case.winner.row.concurrency.0.filter(|units| *units > 1)?;
    let widest = contender::eligible(&case.report.forms)
        .into_iter()
        .filter(|one| own(one.row) && one.row.concurrency.unwrap_or(0) >= WIDE * from)
        .max_by_key(|one| one.row.concurrency)?;
    let (now, then) = (case.throughput(&case.winner), case.throughput(&widest));
    let cores = if case.kind().is_loop() { 1.0 } else { case.cores() };
    let busy = widest.row.cpu_s? / widest.median / cores;
    let shares = widest.row.shares.unwrap_or_default();
    let at_home = [shares.wait_gil, shares.wait_lock, shares.run_queue].into_iter().flatten();
    let crowded = !case.kind().is_loop() && at_home.sum::<f64>() > 0.2;
    let computes = case.nature.is_some_and(|seen| seen.is_cpu_bound());
    if then > GROWS * now || busy > IDLE || crowded || computes || case.kind() == Kind::Plain {
        return None;
    }
    Some(format!(
        "from {from} to {} in flight the throughput goes from {}/s to {}/s with {} of the \
         processor time in use: the limit is in what the work calls (rule 10)",
        widest.row.concurrency.unwrap_or(0),
        amount(now),
        amount(then),
        percent(busy)
    ))
}
