//! What the measurement could not know.

use std::collections::BTreeSet;

use super::case::Case;
use super::confidence;
use super::contender;
use super::prediction;
use super::rules;
use super::saturation;
use crate::label::{self, Kind};
use crate::quantity::percent;
use crate::{Form, Report, Status};

/// The share of a loop's time in calls that block it from which it is worth a word.
const BLOCKED: f64 = 0.05;

/// What the sampler may cost of the work's time.
const DEAR: f64 = 0.03;

/// All limits of a verdict, the weightiest first.
pub(crate) fn limits(case: &Case<'_>) -> Vec<String> {
    let mut limits: Vec<String> = Vec::new();
    if case.machine.is_busy() && !case.machine.withholds(case) {
        limits.push(format!(
            "the machine was busy: {}; forms that compute side by side are judged too low (rule 0)",
            case.machine.reasons().join(", ")
        ));
    }
    limits.extend(rounds(case));
    limits.extend(saturation::sentence(case));
    limits.extend(locked(case));
    limits.extend(crowded(case));
    limits.extend(blocked_loop(case));
    limits.extend(of_report(case.report));
    limits
}

/// Too few rounds to tell a spread.
fn rounds(case: &Case<'_>) -> Option<String> {
    let pair = [Some(&case.winner), case.runner_up.as_ref()];
    let least = pair.into_iter().flatten().map(|one| one.row.rounds.unwrap_or(1)).min()?;
    (least < confidence::ROUNDS)
        .then(|| format!("{least} of the {} rounds that tell a spread", confidence::ROUNDS))
}

/// The limits that need no verdict.
pub(crate) fn of_report(report: &Report) -> Vec<String> {
    let mut limits = Vec::new();
    if report.work.interrupted == Some(true) {
        limits.push("stopped early: some rows have fewer rounds, or are missing".to_owned());
    }
    limits.extend(unjudged(report));
    limits.extend(unknown(report));
    limits.extend(sampler(report));
    limits
}

/// Locks that bound the gain of what still gains.
fn locked(case: &Case<'_>) -> Option<String> {
    let (threads, share) = rules::locked_threads(case)?;
    (case.kind() != Kind::Plain).then(|| {
        format!(
            "{} wait {} of a unit's time for locks: no form changes that (rule 9)",
            case.at(threads.row),
            percent(share)
        )
    })
}

/// Python that fills the interpreter, while most of a unit waits.
fn crowded(case: &Case<'_>) -> Option<String> {
    let (threads, share) = rules::gil_wait(case).filter(|(_, share)| *share >= rules::CROWDED)?;
    (case.kind().is_threads() && threads.index == case.winner.index).then(|| {
        format!(
            "{} wait {} of a unit's time for the GIL: move what computes to a process (rule 8)",
            case.at(threads.row),
            percent(share)
        )
    })
}

/// A task that calls what blocks stops all others.
fn blocked_loop(case: &Case<'_>) -> Option<String> {
    let row = case.best(Kind::is_loop)?.row;
    let share = row.blocking?;
    (share >= BLOCKED).then(|| {
        format!(
            "the tasks of {} block their loop for {} of its time, by calls that wait: move these to \
             threads and compare again",
            case.at(row),
            percent(share)
        )
    })
}

/// Forms that failed, and concurrencies at which one did. What was not tried says so in its row.
fn unjudged(report: &Report) -> Vec<String> {
    let able: Vec<usize> = contender::eligible(&report.forms).iter().map(|one| one.index).collect();
    let mut seen = BTreeSet::new();
    let speaks =
        |row: &Form| seen.insert((row.form.clone(), row.function.clone(), label::reason(row)));
    let mut speaks = speaks;
    let mut lines = Vec::new();
    for (index, row) in report.forms.iter().enumerate() {
        let skipped = row.state() == Status::Skipped;
        if able.contains(&index) || prediction::is_prediction(row) || skipped {
            continue;
        }
        if speaks(row) {
            let why = if row.measured && row.state() == Status::Ok && row.errors.is_empty() {
                "other runs of it gave other results".to_owned()
            } else {
                label::reason(row)
            };
            lines.push(format!("{} cannot win: {why}", label::at(row, &report.forms)));
        }
    }
    lines
}

/// A sampler that takes its part of what it measures.
fn sampler(report: &Report) -> Option<String> {
    let cost = report.sampler.as_ref()?.cost_share.filter(|cost| *cost > DEAR)?;
    Some(format!(
        "the sampler took {} of the time: the times are that much too long",
        percent(cost)
    ))
}

/// Columns that this kernel or interpreter does not tell.
fn unknown(report: &Report) -> Option<String> {
    let mut names: BTreeSet<String> = report
        .sampler
        .iter()
        .flat_map(|sampler| sampler.unknown.iter())
        .map(|name| label::printable(&name.replace('_', " ")))
        .collect();
    let silent = contender::contenders(&report.forms).iter().any(|one| one.row.shares.is_none());
    if silent {
        names.insert("the shares of some rows".to_owned());
    }
    (!names.is_empty()).then(|| {
        let names: Vec<String> = names.into_iter().collect();
        format!("not known here: {}; the verdict rests on the times", names.join(", "))
    })
}
