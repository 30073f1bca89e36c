//! Away from threads and tasks.

use super::{locked, python_passes};
use crate::label::Kind;
use crate::quantity::{amount, bytes, digits, factor, percent, seconds};
use crate::verdict::case::Case;
use crate::verdict::choice::WORTH;
use crate::verdict::cost;
use crate::verdict::nature::Nature;

/// Away from tasks: one loop is full when its units take all its time.
pub(super) fn from_tasks(case: &Case<'_>) -> Vec<String> {
    let mut flips = Vec::new();
    let own = cost::cpu_per_unit(case, &case.winner);
    if let (Some(threads), Some(own)) = (case.best(|kind| kind == Kind::Threads), own) {
        let limit = threads.median / case.items;
        if own < limit {
            flips.push(format!(
                "to {} ({}), if a unit takes more than {} of the loop (now {}), or has no async \
                 client",
                case.at(threads.row),
                factor(case.slower(threads)),
                seconds(limit),
                seconds(own)
            ));
        }
    }
    flips.extend(to_apart(case));
    flips.extend(own.and_then(|own| full_loop(case, own)));
    flips
}

/// More than one loop, when one has no time left.
fn full_loop(case: &Case<'_>, own: f64) -> Option<String> {
    let (now, most) = (case.throughput(&case.winner), 1.0 / own);
    (now < most).then(|| {
        format!(
            "to several loops in processes, if you need more than {}/s: one loop is full there \
             (now {}/s, {} busy)",
            amount(most),
            amount(now),
            percent(now / most)
        )
    })
}

/// Away from threads that wait.
pub(super) fn from_threads(case: &Case<'_>) -> Vec<String> {
    let mut flips: Vec<String> = to_tasks(case).into_iter().collect();
    flips.extend(to_apart(case));
    flips.extend(locked(case));
    flips
}

/// So many in flight show what memory one takes.
const MANY: f64 = 10_000.0;

/// To tasks that were measured and lost.
fn to_tasks(case: &Case<'_>) -> Option<String> {
    let tasks = case.best(|kind| kind == Kind::Coroutines)?;
    let own = cost::cpu_per_unit(case, tasks)?;
    let limit = case.winner.median / case.items;
    let (task, slower) = (case.at(tasks.row), factor(case.slower(tasks)));
    if own > limit {
        return Some(format!(
            "to {task} ({slower}), if a unit takes less than {} of the loop (now {})",
            seconds(limit),
            seconds(own)
        ));
    }
    case.winner.row.concurrency.0.filter(|units| *units > 1)?;
    let memory = |row: &crate::Form| row.bytes_per_unit.filter(|bytes| *bytes > 0.0);
    let (thread, task_bytes) = (memory(case.winner.row)?, memory(tasks.row)?);
    (thread > task_bytes).then(|| {
        format!(
            "to {task} ({slower}), if much more must be in flight: {} would take {} as threads, {} as \
             tasks",
            amount(MANY),
            bytes(thread * MANY),
            bytes(task_bytes * MANY)
        )
    })
}

/// To other interpreters, when Python fills this one.
fn to_apart(case: &Case<'_>) -> Option<String> {
    let (seen, apart) = (case.nature.as_ref()?, case.best(Kind::is_apart)?);
    match cost::python_to_part(case, apart) {
        Some(limit) => python_passes(case, seen, apart.row, limit),
        None => Some(format!(
            "to {}, if Python fills one processor and others are free (now {} in all)",
            case.at(apart.row),
            digits(case.cores())
        )),
    }
}

/// Away from threads that compute without the GIL.
pub(super) fn from_native_threads(case: &Case<'_>, seen: &Nature<'_>) -> Vec<String> {
    let mut flips = Vec::new();
    let plain = case.best(|kind| kind == Kind::Plain);
    if let (Some(plain), Some(apart)) = (plain, case.best(Kind::is_apart)) {
        // Of threads, the part that needs the GIL runs one at a time: they gain 1/h at most.
        let most = apart.median / plain.median;
        if seen.python < most && most < 1.0 {
            flips.push(format!(
                "to {} ({}), if more than {} of a unit needs the GIL (now {})",
                case.at(apart.row),
                factor(case.slower(apart)),
                percent(most),
                percent(seen.python)
            ));
        }
    }
    if plain.is_some() {
        flips.push(format!(
            "to plain, if no more than {WORTH} processors are free (now {})",
            digits(case.cores())
        ));
    }
    flips
}
