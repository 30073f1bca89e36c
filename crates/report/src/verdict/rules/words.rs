//! The sentences of a verdict's reason.

use super::{Rule, gain_over_one, gil_wait, locked_threads};
use crate::label::Kind;
use crate::quantity::{bytes, digits, factor, interval, percent, seconds};
use crate::verdict::case::Case;
use crate::verdict::choice::{Cost, WORTH, is_same_course};
use crate::verdict::contender::{self, Contender};
use crate::verdict::nature::{Nature, Wait};

/// The rule with its numbers, then the times, then how a tie was decided.
pub(super) fn because(case: &Case<'_>, rule: Rule) -> Vec<String> {
    let first = match rule {
        Rule::Stay => stay(case),
        Rule::Lock => lock(case),
        Rule::HeldAsleep => held(case),
        Rule::Convoy => convoy(case),
        Rule::Executor => executor(case),
        _ => what_a_unit_does(case, rule),
    };
    let mut because = vec![format!("{first} (rule {})", rule as u8)];
    if rule == Rule::WaitInTasks {
        because.extend(against_threads(case));
    }
    because.extend(times(case));
    because.extend(tie(case));
    because
}

fn shares(seen: &Nature<'_>) -> String {
    let subject = if seen.of_loop { "the loop's time" } else { "a unit" };
    let longest = seen.longest_wait();
    let what = match (seen.of_loop, seen.wait(longest) > 0.0) {
        (true, _) => "sockets and timers",
        (false, true) => longest.words(),
        (false, false) => "what is not known here",
    };
    let waits = percent(seen.waits());
    let waits = if seen.waits() > 0.0 {
        format!("{waits} of {subject} is waiting with the GIL free, most for {what}")
    } else {
        format!("{waits} of {subject} is waiting")
    };
    if !seen.is_split() {
        return format!("{waits}; {} is on a processor, in Python or not", percent(seen.cpu));
    }
    let (python, native) = (percent(seen.python), percent(seen.native));
    format!("{waits}; {python} is Python on a processor, {native} native code")
}

fn what_a_unit_does(case: &Case<'_>, rule: Rule) -> String {
    let winner = case.at(case.winner.row);
    let Some(seen) = &case.nature else {
        let time = seconds(case.winner.median);
        return format!(
            "the times decide, {time} with {winner}: what a unit does is not known here"
        );
    };
    let (python, native) = (percent(seen.python), percent(seen.native));
    let in_use = case.winner.row.cpu_s.map(|cpu| digits(cpu / case.winner.median));
    let in_use = in_use.map_or_else(String::new, |cores| format!(", {cores} processors in use"));
    match rule {
        _ if !seen.is_split() => shares(seen),
        Rule::Native => format!(
            "{native} of a unit is native code on a processor with the GIL free, {python} is \
             Python: threads run side by side{in_use}"
        ),
        Rule::Python if case.kind().is_threads() => format!(
            "{python} of a unit is Python on a processor, {native} native code: {}{in_use}",
            if case.report.python.free_threaded == Some(true) {
                "without a GIL, threads run side by side"
            } else {
                "threads run what is not Python side by side"
            }
        ),
        Rule::Python if seen.python >= 0.5 => format!(
            "{python} of a unit is Python on a processor, which one interpreter runs one at a \
             time: others run beside it{in_use}"
        ),
        Rule::Disk => format!(
            "{} of a unit is waiting for the disk, which a loop cannot, {python} is Python on a \
             processor: threads wait side by side",
            percent(seen.wait(Wait::Disk))
        ),
        _ => shares(seen),
    }
}

fn stay(case: &Case<'_>) -> String {
    let winner = case.at(case.winner.row);
    if gain_over_one(case).is_some() {
        return more_in_flight(case);
    }
    match &case.runner_up {
        None => format!(
            "{winner} took {}, and no other form ran to its end",
            seconds(case.winner.median)
        ),
        Some(second) if second.median >= case.winner.median => format!(
            "{winner} is the fastest: {} against {} of {}",
            seconds(case.winner.median),
            seconds(second.median),
            case.at(second.row)
        ),
        Some(second) if second.median * WORTH <= case.winner.median => {
            let (other, own) = (seconds(second.median), seconds(case.winner.median));
            let why = if is_same_course(&case.winner, second) {
                "one at a time as well, so this is chance"
            } else {
                "not to be trusted on this machine"
            };
            format!("{} {other} against {own} of {winner}: {why}", case.at(second.row))
        }
        Some(second) => format!(
            "at most {1} as fast: {0} {2}, {winner} {3}; less than 1.10x is not worth a change",
            case.at(second.row),
            factor(case.winner.median / second.median),
            seconds(second.median),
            seconds(case.winner.median)
        ),
    }
}

/// Why one in flight is as good as many, where no plain code was measured.
fn more_in_flight(case: &Case<'_>) -> String {
    let time = |one: &Contender<'_>| {
        format!("{} with {} in flight", seconds(one.median), one.row.concurrency.unwrap_or(1))
    };
    let all = contender::eligible(&case.report.forms);
    let mut others: Vec<_> = all
        .into_iter()
        .filter(|one| one.is_of(case.winner.row) && one.index != case.winner.index)
        .collect();
    others.sort_by(|a, b| a.median.total_cmp(&b.median));
    let others: Vec<String> = others.iter().take(2).map(time).collect();
    if others.is_empty() {
        return format!("{}, and nothing else was measured of it", time(&case.winner));
    }
    let (own, others) = (time(&case.winner), others.join(", "));
    format!("{own} against {others}: less than 1.10x is not worth more")
}

fn lock(case: &Case<'_>) -> String {
    let Some((threads, share)) = locked_threads(case) else { return stay(case) };
    format!(
        "{} wait {} of a unit's time for locks, and take {} against {} of {}: no form helps, the \
         locked part runs one at a time",
        case.at(threads.row),
        percent(share),
        seconds(threads.median),
        seconds(case.winner.median),
        case.at(case.winner.row)
    )
}

fn held(case: &Case<'_>) -> String {
    let held = case.nature.map_or(0.0, |seen| seen.held);
    let python = case.nature.map_or(0.0, |seen| seen.python);
    let end = if case.kind().is_apart() {
        "others run beside it"
    } else {
        "only processes would run beside it, and none ran to its end"
    };
    format!(
        "{} of a unit is off the processor with the GIL held, {} is Python on a processor: threads \
         and tasks stand still meanwhile, {end}",
        percent(held),
        percent(python)
    )
}

fn convoy(case: &Case<'_>) -> String {
    let python = case.nature.map_or(0.0, |seen| seen.python);
    match gil_wait(case) {
        Some((threads, share)) => format!(
            "{} wait {} of a unit's time for the GIL, though only {} of a unit is Python on a \
             processor: in interpreters of their own they do not",
            case.at(threads.row),
            percent(share),
            percent(python)
        ),
        None => what_a_unit_does(case, Rule::Python),
    }
}

fn executor(case: &Case<'_>) -> String {
    let here = case.best(|kind| kind != Kind::Executor);
    let winner = format!("{} took {}", case.at(case.winner.row), seconds(case.winner.median));
    match here {
        Some(here) => format!(
            "{winner}, the best form without an executor, {}, {}",
            case.at(here.row),
            seconds(here.median)
        ),
        None => format!("{winner}, and no form without an executor ran to its end"),
    }
}

/// What speaks for tasks where threads can do the same work.
fn against_threads(case: &Case<'_>) -> Option<String> {
    let threads = case.best(|kind| kind == Kind::Threads)?;
    let in_flight = case.winner.row.concurrency.float()?;
    if let Some((_, share)) = gil_wait(case).filter(|(_, share)| *share >= super::CROWDED) {
        return Some(format!(
            "{} wait {} of a unit's time for the GIL, tasks 0 %",
            case.at(threads.row),
            percent(share)
        ));
    }
    let (task, thread) = (case.winner.row.bytes_per_unit?, threads.row.bytes_per_unit?);
    (task > 0.0 && thread > task).then(|| {
        format!(
            "{in_flight:.0} in flight need {} as threads, {} as tasks",
            bytes(thread * in_flight),
            bytes(task * in_flight)
        )
    })
}

/// The winner's time beside the next one's, and beside that of plain code.
fn times(case: &Case<'_>) -> Option<String> {
    let plain = case.best(|kind| kind == Kind::Plain).filter(|one| one.index != case.winner.index);
    let second = case.runner_up.as_ref();
    let third = plain.filter(|plain| second.is_none_or(|second| second.index != plain.index));
    let others: Vec<String> = second
        .into_iter()
        .chain(third)
        .map(|one| {
            format!("{} {} ({})", case.at(one.row), seconds(one.median), factor(case.slower(one)))
        })
        .collect();
    let own = format!("{} {}", case.at(case.winner.row), seconds(case.winner.median));
    (!others.is_empty()).then(|| format!("times: {own}, {}", others.join(", ")))
}

fn tie(case: &Case<'_>) -> Option<String> {
    if case.tie().is_empty() {
        return None;
    }
    let spans: Vec<String> = case
        .tie()
        .iter()
        .map(|one| format!("{} {}", case.at(one.row), interval(one.low, one.high)))
        .collect();
    Some(format!("a tie, for these intervals overlap: {}; {}", spans.join(", "), decided(case)))
}

/// How the tie was decided.
fn decided(case: &Case<'_>) -> String {
    let winner = case.at(case.winner.row);
    let simplicity = |one: &Contender<'_>| Kind::of(&one.row.form).simplicity();
    let rivals = || case.tie().iter().filter(|one| one.index != case.winner.index);
    let simpler = rivals().find(|one| simplicity(one) < simplicity(&case.winner));
    if let Some(simpler) = simpler {
        return not_simpler(case, simpler);
    }
    let equal = rivals().find(|one| simplicity(one) == simplicity(&case.winner));
    match (equal, case.by) {
        (None, _) => format!("the simplest of them: {winner}"),
        (Some(equal), Some(cost)) => by_cost(case, equal, cost),
        (Some(_), None) => format!("the shortest median of the simplest: {winner}"),
    }
}

/// Why a simpler form of the tie is not taken.
fn not_simpler(case: &Case<'_>, simpler: &Contender<'_>) -> String {
    let name = case.at(simpler.row);
    let ratio = case.slower(simpler);
    if ratio > WORTH {
        format!("though simpler, {name} took {} the winner's time", factor(ratio))
    } else if case.nature.is_some_and(|seen| case.machine.bars(&seen, simpler)) {
        format!("though simpler, {name} cannot run Python side by side")
    } else {
        format!("the shortest median: {}", case.at(case.winner.row))
    }
}

fn by_cost(case: &Case<'_>, equal: &Contender<'_>, cost: Cost) -> String {
    let winner = case.at(case.winner.row);
    let (own, other) = (cost.of(&case.winner).unwrap_or(0.0), cost.of(equal).unwrap_or(0.0));
    match cost {
        _ if own >= other => format!("the shortest median of the cheapest: {winner}"),
        Cost::Cpu => {
            format!(
                "{winner} needs less processor time, {} against {}",
                seconds(own),
                seconds(other)
            )
        }
        Cost::Memory => {
            format!("{winner} with less memory, {} against {}", bytes(own), bytes(other))
        }
    }
}
