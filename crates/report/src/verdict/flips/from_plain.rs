//! Away from plain code.

use super::{by_speed, locked, python_passes};
use crate::label::Kind;
use crate::quantity::{digits, seconds};
use crate::verdict::case::Case;
use crate::verdict::choice::WORTH;
use crate::verdict::contender::Contender;
use crate::verdict::cost;
use crate::verdict::nature::Nature;
use crate::verdict::rules;

/// To whatever runs side by side, once a unit is long enough to pay for the way there.
pub(super) fn flips(case: &Case<'_>) -> Vec<String> {
    if rules::locked_threads(case).is_some() {
        return locked(case).into_iter().collect();
    }
    let Some(seen) = &case.nature else { return Vec::new() };
    let mut flips = Vec::new();
    let apart = case.best(Kind::is_apart);
    if seen.is_cpu_bound() && seen.python >= seen.native {
        flips.extend(apart.and_then(|apart| longer_units(case, seen, apart)));
    } else {
        let threads = case.best(|kind| matches!(kind, Kind::Threads | Kind::Coroutines));
        let threads = threads.filter(|one| one.row.concurrency.unwrap_or(1) > 1);
        flips.extend(threads.and_then(|threads| longer_waits(case, seen, threads)));
    }
    if flips.is_empty() {
        flips.extend(by_speed(case));
    }
    flips
}

/// A unit of x seconds of Python gains from P processors if `x / 1.1 > (x + d) / P`.
fn longer_units(case: &Case<'_>, seen: &Nature<'_>, apart: &Contender<'_>) -> Option<String> {
    let cores = case.cores();
    if cores <= WORTH {
        return Some(format!(
            "to {}, on a machine with more than {WORTH} free processors (now {})",
            case.at(apart.row),
            digits(cores)
        ));
    }
    let limit = WORTH * cost::handing_over(case, apart)? / (cores - WORTH);
    python_passes(case, seen, apart.row, limit)
}

/// Other forms take a time per unit, whatever the unit: a unit must wait for longer than that.
fn longer_waits(case: &Case<'_>, seen: &Nature<'_>, other: &Contender<'_>) -> Option<String> {
    let limit = WORTH * other.median / case.items;
    (seen.unit_s < limit).then(|| {
        format!(
            "to {}, if a unit waits for longer than {} (now a unit takes {})",
            case.at(other.row),
            seconds(limit),
            seconds(seen.unit_s)
        )
    })
}
