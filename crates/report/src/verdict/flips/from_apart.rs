//! Away from processes, interpreters and the user's executors.

use crate::label::Kind;
use crate::quantity::{factor, percent, seconds};
use crate::verdict::case::Case;
use crate::verdict::choice::WORTH;
use crate::verdict::cost;
use crate::verdict::nature::Nature;
use crate::verdict::rules::HELD;

/// Back to one interpreter.
pub(super) fn flips(case: &Case<'_>) -> Vec<String> {
    let Some(seen) = &case.nature else { return Vec::new() };
    let mut flips = Vec::new();
    if seen.held >= HELD {
        flips.push(format!(
            "to threads, if what waits with the GIL held ({} of a unit) let go of it",
            percent(seen.held)
        ));
    }
    flips.extend(less_python(case, seen));
    flips.extend(shorter_units(case, seen));
    let free = case.report.python.free_threaded == Some(true);
    if seen.python >= 0.5 && !free {
        flips.push(format!(
            "to threads on a free-threaded Python, if all libraries support it: {} of a unit needs \
             the GIL",
            percent(seen.python)
        ));
    }
    flips
}

/// Of threads, the part that needs the GIL runs one at a time: with a share h of it they gain 1/h
/// at most (Amdahl), so they reach another form's gain g below h = 1/g.
fn less_python(case: &Case<'_>, seen: &Nature<'_>) -> Option<String> {
    let most = 1.0 / case.gain()?;
    let gil = seen.python + seen.held;
    (gil > most).then(|| {
        format!(
            "to threads, if less than {} of a unit needs the GIL (now {}): the gain here is {}",
            percent(most),
            percent(gil),
            factor(1.0 / most)
        )
    })
}

/// A unit of x seconds of Python gains from P processors only if `x / 1.1 > (x + d) / P`.
fn shorter_units(case: &Case<'_>, seen: &Nature<'_>) -> Option<String> {
    let cores = case.cores();
    let limit = WORTH * cost::handing_over(case, &case.winner)? / (cores - WORTH);
    let now = seen.python_s().filter(|now| cores > WORTH && 0.0 < limit && limit < *now)?;
    Some(format!(
        "to plain, if the Python time of a unit falls under {} (now {})",
        seconds(limit),
        seconds(now)
    ))
}

/// Back to this process, if the executor had fewer workers.
pub(super) fn from_executor(case: &Case<'_>) -> Vec<String> {
    let here = case.best(|kind| kind != Kind::Executor);
    let (Some(here), Some(workers)) = (here, case.winner.row.concurrency.float()) else {
        return Vec::new();
    };
    vec![format!(
        "to {}, if fewer than {:.1} of {workers} units were in flight there ({} here)",
        case.at(here.row),
        workers / case.slower(here),
        factor(case.slower(here))
    )]
}
