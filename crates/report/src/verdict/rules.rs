//! Which rule explains the choice, and the numbers that fired it.

mod words;

use super::case::Case;
use super::choice::WORTH;
use super::contender::{self, Contender};
use super::nature::{Nature, Wait};
use crate::Form;
use crate::label::Kind;

/// The share of a thread's time in locks from which they, not the form, set the pace.
const LOCKED: f64 = 0.20;
/// The share of a thread's time that it waits for the GIL from which others are to blame for it.
pub(crate) const CROWDED: f64 = 0.10;
/// The share of a unit asleep with the GIL held that is more than a mistake of the sampler.
pub(crate) const HELD: f64 = 0.05;

/// The rules that can explain a choice. Rule 0 withholds a verdict (`machine.rs`), rule 10 is a
/// limit of what was called (`saturation.rs`), rule 12 what the form asks of its user
/// (`changes.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// No other form is worth the change.
    Stay = 1,
    /// Something waits with the GIL held: only another process runs meanwhile.
    HeldAsleep = 2,
    /// Waiting with the GIL free: threads wait side by side.
    WaitInThreads = 3,
    /// Waiting with the GIL free: tasks wait side by side.
    WaitInTasks = 4,
    /// Waiting for the disk: a loop cannot.
    Disk = 5,
    /// Native code without the GIL: threads run side by side.
    Native = 6,
    /// Python code: only other interpreters run side by side.
    Python = 7,
    /// Units that mostly wait, but then queue for the GIL.
    Convoy = 8,
    /// Locks: no form helps.
    Lock = 9,
    /// An executor of the user's is worth its way.
    Executor = 11,
}

/// The rule that explains a choice, and its sentences.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The number of the rule.
    pub(crate) rule: u8,
    /// The reasons, a sentence each.
    pub(crate) because: Vec<String>,
}

/// Explains the choice.
pub(crate) fn finding(case: &Case<'_>) -> Finding {
    let rule = rule(case);
    Finding { rule: rule as u8, because: words::because(case, rule) }
}

fn rule(case: &Case<'_>) -> Rule {
    let alone = case.kind() == Kind::Plain || gain_over_one(case).is_some_and(|gain| gain < WORTH);
    if alone {
        return reason_to_stay(case);
    }
    let nature = case.nature.as_ref();
    match case.kind() {
        Kind::Executor => Rule::Executor,
        Kind::Processes | Kind::Interpreters => {
            nature.map_or(Rule::Python, |seen| apart(case, seen))
        }
        Kind::Coroutines | Kind::StockLoop => Rule::WaitInTasks,
        Kind::Plain | Kind::Threads | Kind::StockThreads => match nature {
            Some(seen) if seen.is_cpu_bound() && seen.native < seen.python => Rule::Python,
            Some(seen) if seen.is_cpu_bound() => Rule::Native,
            Some(seen) if seen.longest_wait() == Wait::Disk => Rule::Disk,
            _ => Rule::WaitInThreads,
        },
    }
}

/// Why nothing gains, or nothing is to be gained from more in flight.
fn reason_to_stay(case: &Case<'_>) -> Rule {
    if locked_threads(case).is_some() {
        return Rule::Lock;
    }
    let apart_ran = case.best(Kind::is_apart).is_some();
    match &case.nature {
        Some(seen) if seen.held >= HELD && seen.held >= seen.cpu && !apart_ran => Rule::HeldAsleep,
        _ => Rule::Stay,
    }
}

/// Why other interpreters win.
fn apart(case: &Case<'_>, seen: &Nature<'_>) -> Rule {
    if seen.held >= HELD && seen.held >= seen.cpu {
        Rule::HeldAsleep
    } else if seen.python < 0.5 && gil_wait(case).is_some_and(|(_, share)| share >= CROWDED) {
        Rule::Convoy
    } else {
        Rule::Python
    }
}

/// How many times as fast the winner is as the same form with one in flight, where no plain code
/// was measured to compare with.
pub(crate) fn gain_over_one(case: &Case<'_>) -> Option<f64> {
    if case.best(|kind| kind == Kind::Plain).is_some() {
        return None;
    }
    if case.winner.row.concurrency.unwrap_or(1) == 1 {
        return Some(1.0);
    }
    let alone = contender::eligible(&case.report.forms).into_iter().find(|one| {
        one.row.form == case.winner.row.form
            && one.row.function == case.winner.row.function
            && one.row.concurrency.0 == Some(1)
    })?;
    Some(alone.median / case.winner.median)
}

/// The row of threads, several in flight, whose `part` is largest.
fn worst<'a>(case: &Case<'a>, part: impl Fn(&Form) -> Option<f64>) -> Option<(Contender<'a>, f64)> {
    contender::eligible(&case.report.forms)
        .into_iter()
        .filter(|one| Kind::of(&one.row.form).is_threads())
        .filter(|one| one.row.concurrency.unwrap_or(1) > 1)
        .filter_map(|one| part(one.row).map(|share| (one, share)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The threads that wait the longest for locks, and how long, if locks set their pace.
pub(crate) fn locked_threads<'a>(case: &Case<'a>) -> Option<(Contender<'a>, f64)> {
    worst(case, |row| row.shares?.wait_lock).filter(|(_, share)| *share > LOCKED)
}

/// The share of their time that the threads at their best concurrency wait for the GIL.
pub(crate) fn gil_wait<'a>(case: &Case<'a>) -> Option<(Contender<'a>, f64)> {
    let threads = case.best(|kind| kind == Kind::Threads)?;
    Some((*threads, threads.row.shares?.wait_gil?))
}
