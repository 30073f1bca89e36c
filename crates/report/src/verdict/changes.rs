//! Rule 12: what a form asks of its user.

use super::case::Case;
use crate::label::Kind;
use crate::quantity::{bytes, seconds};

/// What taking the winner means: errors, locks, cancellation, pickling.
pub(crate) fn changes(case: &Case<'_>) -> Vec<String> {
    let mut changes: Vec<String> =
        of(case.kind()).iter().map(|change| (*change).to_owned()).collect();
    changes.extend(memory(case));
    changes.extend(start(case));
    changes
}

fn of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Plain => &["nothing: errors come where they happen, no locks, nothing to cancel"],
        Kind::Coroutines | Kind::StockLoop => &[
            "errors come from `await`; plain `try`/`except`",
            "shared state can change only across an `await`; a call that blocks stops every task",
            "a task can be cancelled, at an `await`",
        ],
        Kind::Threads | Kind::StockThreads => &[
            "errors come from `result()` of the future",
            "shared state needs locks",
            "a call that has begun cannot be cancelled",
        ],
        Kind::Processes => &[
            "errors come from `result()`; a worker that dies takes none of your state along",
            "function, items, results and exceptions must be picklable; no state is shared",
            "a call that has begun ends only with its process",
        ],
        Kind::Interpreters => &[
            "errors come from `result()`, as copies",
            "items and results are copied between interpreters; no state is shared",
            "every extension module must support interpreters; a begun call cannot be cancelled",
        ],
        Kind::Executor => &[
            "errors come from `result()`; the executor can fail on its own",
            "function, items and results travel to the executor's workers; no state is shared",
            "what cancelling means is the executor's to say",
        ],
    }
}

fn memory(case: &Case<'_>) -> Option<String> {
    let each = case.winner.row.bytes_per_unit.filter(|each| *each >= 1.0)?;
    let in_flight = case.winner.row.concurrency.0.filter(|units| *units > 1)?;
    Some(format!(
        "{} of memory for {in_flight} in flight, {} each",
        bytes(each * in_flight as f64),
        bytes(each)
    ))
}

fn start(case: &Case<'_>) -> Option<String> {
    let start = case.winner.row.start_s.filter(|start| *start > 0.01 * case.winner.median)?;
    Some(format!("starting takes {} more, once", seconds(start)))
}
