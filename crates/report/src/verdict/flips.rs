//! What would change the verdict, in numbers that follow from the measured ones.

mod from_apart;
mod from_plain;
mod from_waiting;

use super::case::Case;
use super::nature::Nature;
use super::prediction;
use super::rules;
use crate::Form;
use crate::label::Kind;
use crate::quantity::{factor, interval, seconds};

/// What would change the verdict, a sentence each, none twice.
pub(crate) fn flips(case: &Case<'_>) -> Vec<String> {
    let mut flips = match case.kind() {
        Kind::Plain => from_plain::flips(case),
        Kind::Coroutines | Kind::StockLoop => from_waiting::from_tasks(case),
        Kind::Threads | Kind::StockThreads => match &case.nature {
            Some(seen) if seen.is_cpu_bound() => from_waiting::from_native_threads(case, seen),
            _ => from_waiting::from_threads(case),
        },
        Kind::Processes | Kind::Interpreters => from_apart::flips(case),
        Kind::Executor => from_apart::from_executor(case),
    };
    flips.extend(predicted(case));
    if flips.is_empty() {
        flips.extend(by_speed(case));
    }
    flips
}

/// To the runner-up, if it were faster than it is.
fn by_speed(case: &Case<'_>) -> Option<String> {
    let second = case.runner_up.as_ref()?;
    let enough = case.winner.median.min(second.median);
    Some(format!(
        "to {}, if it took less than {} (now {}, {})",
        case.at(second.row),
        seconds(enough),
        seconds(second.median),
        factor(case.slower(second))
    ))
}

/// To coroutines, where only a prediction speaks for them. That has the time of as many threads, so
/// it speaks for the winner's time only where threads are the winner.
fn predicted(case: &Case<'_>) -> Option<String> {
    let row = case.report.forms.iter().find(|row| prediction::is_prediction(row))?;
    let (_, median, _) = row.elapsed()?;
    let band = row.band.as_ref()?;
    let span = interval(band.low?, band.high?);
    let task = format!("{} (~{}, {span}, predicted)", case.at(row), seconds(median));
    let as_many = case.winner.row.concurrency == row.concurrency;
    Some(if as_many && case.kind().is_threads() {
        format!(
            "to {task}, if there is an async client and memory or cancellation matter more than \
             the {} of threads",
            seconds(case.winner.median)
        )
    } else if case.kind().is_threads() {
        format!(
            "to coroutines perhaps, if there is an async client: {task}; with {} in flight a loop \
             may be full, so give the `async def` as well and compare again",
            case.winner.row.concurrency.unwrap_or(1)
        )
    } else if band.high? < case.winner.low {
        format!("to {task} against {}, if there is an async client", seconds(case.winner.median))
    } else {
        return None;
    })
}

/// The sentence about a limit of the Python time of a unit that is not passed yet.
fn python_passes(case: &Case<'_>, seen: &Nature<'_>, to: &Form, limit: f64) -> Option<String> {
    let now = seen.python_s().filter(|now| *now < limit)?;
    Some(format!(
        "to {}, if the Python time of a unit passes {} (now {})",
        case.at(to),
        seconds(limit),
        seconds(now)
    ))
}

/// Locks set the pace of threads: what their part of a unit would have to be.
fn locked(case: &Case<'_>) -> Option<String> {
    let (threads, _) = rules::locked_threads(case)?;
    let plain = case.best(|kind| kind == Kind::Plain)?;
    let now = (threads.median / plain.median).min(1.0);
    let most = 1.0 / super::choice::WORTH;
    (now > most).then(|| {
        format!(
            "to threads, if less than {} of a unit is inside the lock (now about {})",
            crate::quantity::percent(most),
            crate::quantity::percent(now)
        )
    })
}
