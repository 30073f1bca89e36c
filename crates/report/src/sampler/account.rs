//! What exact counts and samples say together.

use super::tally::Tally;
use super::watch::{Mode, Seen};

/// Seconds of a loop asleep, by what ended the sleep.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Slept {
    /// An I/O event.
    pub until_event: f64,
    /// A timer.
    pub until_timer: f64,
    /// Another thread.
    pub until_inbox: f64,
}

/// Where the time went.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Account {
    /// Seconds of threads, in the order of [`super::KINDS`].
    pub seconds: [f64; 9],
    /// Names of those that nobody could tell.
    pub unknown: Vec<&'static str>,
    /// Seconds in which a thread waited and held the GIL: part of the waits.
    pub held_waiting: f64,
    /// Seconds in which the thread of a loop waited anywhere but in the loop, so that no other task
    /// could run: part of the waits. Zero in other modes.
    pub blocking: f64,
}

/// Waits by kind: network, disk, sleep, child, lock, GIL.
type Waits = [f64; 6];

/// So much of the running time has to be seen without displacing anybody.
const ENOUGH: f64 = 0.1;

/// The account of what was `seen` in `elapsed` seconds of the mode `mode`; `slept` is what the loop
/// itself counted, in [`Mode::Loop`].
///
/// The kernel's counts stand. What is left of the time was spent waiting, and is divided among the
/// kinds of wait as the samples of waiting threads are.
pub fn account(mode: Mode, seen: &Seen, elapsed: f64, slept: Option<Slept>) -> Account {
    let tally = &seen.tally;
    let (on, queued, total) = match (mode, seen.processor) {
        (_, None) => (tally.on(), 0.0, tally.on() + tally.waiting() + tally.selecting()),
        (Mode::Threads, Some(processor)) => {
            let waits = tally.busy_waiting() + tally.selecting();
            exact(processor.on, processor.queued, tally.on() + waits)
        }
        (Mode::Units, Some(processor)) => exact(processor.on, processor.queued, seen.within),
        (Mode::Loop, Some(processor)) => exact(processor.on, processor.queued, elapsed),
    };
    let mut waits = waits(mode, seen, slept);
    if mode == Mode::Threads {
        // Who waits for another thread may be idle as well: the pool's workers are.
        waits[4] = 0.0;
    }
    let sampled: f64 = waits.iter().sum();
    let off = (total - on - queued).max(0.0);
    let mut account = Account::default();
    let (python, native) = divided(tally, on, queued);
    account.seconds[0] = python;
    account.seconds[1] = native;
    if sampled > 0.0 {
        for (place, wait) in account.seconds[2..8].iter_mut().zip(waits) {
            *place = off * wait / sampled;
        }
        let all = tally.waiting() + tally.selecting();
        account.held_waiting = off * tally.held_waiting / all;
        if mode == Mode::Loop {
            account.blocking = off * (tally.waiting() - tally.gil) / all;
        }
    } else {
        // Shorter than what lies between two looks. Somebody was waited for: the kernel knows of
        // no other reason to be neither on a processor nor in its queue.
        account.seconds[6] = off;
    }
    account.seconds[8] = queued;
    if seen.gil_held.is_none() {
        account.unknown.extend(["cpu_python", "cpu_native", "wait_gil"]);
    } else if mode == Mode::Threads {
        // Each interpreter has a GIL of its own, and only the first one's was found.
        account.seconds[0] = on;
        account.seconds[1] = 0.0;
        account.unknown.extend(["cpu_native", "wait_gil"]);
    }
    if !seen.waits_known {
        account.unknown.extend(&super::KINDS[2..7]);
    }
    if seen.processor.is_none() {
        account.unknown.push("run_queue");
    }
    account
}

/// Seconds on a processor, in its queue, and in all, of which the kernel counted the first two.
fn exact(on: u64, queued: u64, total: f64) -> (f64, f64, f64) {
    let (on, queued) = (on as f64 * 1e-9, queued as f64 * 1e-9);
    (on, queued, total.max(on + queued))
}

/// The seconds `on` a processor, with the GIL and without it, as the samples of running threads are.
fn divided(tally: &Tally, on: f64, queued: f64) -> (f64, f64) {
    let (mut python, mut native) = (tally.python, tally.native);
    if python + native < ENOUGH * tally.on() {
        // One processor for all, so that every look is in the way of somebody.
        python += tally.unfair_python;
        native += tally.unfair_native;
    }
    // A thread in the queue of a processor looks like one that runs. Where threads wait for the
    // GIL, it has most often just been woken from that, and does not hold the GIL yet.
    let contended = tally.gil / (tally.gil + tally.on()).max(f64::MIN_POSITIVE);
    let waiting = (python + native) * queued / (on + queued).max(f64::MIN_POSITIVE);
    native = (native - waiting * contended).max(0.0);
    // Too short to be seen, or nobody can tell: then all of it is taken for Python's.
    let share = if python + native > 0.0 { python / (python + native) } else { 1.0 };
    (on * share, on * (1.0 - share))
}

fn waits(mode: Mode, seen: &Seen, slept: Option<Slept>) -> Waits {
    let tally = &seen.tally;
    let mut waits = [tally.network, tally.disk, tally.sleep, tally.child, tally.lock, tally.gil];
    let [network, _, sleep, child, ..] = &mut waits;
    let by_event = |network: &mut f64, child: &mut f64, seconds: f64| {
        let watched = tally.selector_sockets + tally.selector_socket + tally.selector_children;
        let children = if watched > 0.0 { tally.selector_children / watched } else { 0.0 };
        *child += seconds * children;
        *network += seconds * (1.0 - children);
    };
    let slept = slept.unwrap_or_default();
    let all = slept.until_event + slept.until_timer + slept.until_inbox;
    if mode != Mode::Loop || all <= 0.0 {
        by_event(network, child, tally.selector_sockets + tally.selector_children);
        // A loop of somebody else's: the one socket is its own.
        *if mode == Mode::Loop { sleep } else { network } += tally.selector_socket;
        waits[2] += tally.selector_idle;
        return waits;
    }
    let share = tally.selecting() / all;
    by_event(network, child, share * slept.until_event);
    *sleep += share * slept.until_timer;
    for (place, part) in waits.iter_mut().zip(of_others(&seen.others)) {
        *place += share * slept.until_inbox * part;
    }
    waits
}

/// What the threads that a loop waits for wait for themselves, as shares. A thread that computes
/// is waited for like a lock.
fn of_others(others: &Tally) -> Waits {
    let busy = others.on() + others.busy_waiting();
    if busy <= 0.0 {
        return [0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    }
    let &Tally { network, disk, sleep, child, gil, .. } = others;
    [network, disk, sleep, child, others.on(), gil].map(|seconds| seconds / busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::ProcessorTime;

    fn seen(tally: Tally, on: f64, queued: f64, units: f64) -> Seen {
        Seen {
            tally,
            processor: Some(ProcessorTime { on: (on * 1e9) as u64, queued: (queued * 1e9) as u64 }),
            gil_held: Some(0.0),
            waits_known: true,
            within: units,
            ..Seen::default()
        }
    }

    fn close(account: &Account, expected: [f64; 9]) {
        for (found, expected) in account.seconds.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{account:?}");
        }
    }

    #[test]
    fn counts_stand_and_samples_divide_the_rest() {
        let tally = Tally {
            python: 3.0,
            native: 1.0,
            network: 1.0,
            lock: 2.0,
            gil: 3.0,
            held_waiting: 0.6,
            ..Tally::default()
        };
        let account = account(Mode::Units, &seen(tally, 2.0, 1.0, 9.0), 5.0, None);
        // A third of the running time was spent in a queue, and three of seven looks at somebody
        // who wanted to run met one that waited for the GIL.
        let native = 1.0 - 4.0 / 3.0 * 3.0 / 7.0;
        let python = 2.0 * 3.0 / (3.0 + native);
        close(&account, [python, 2.0 - python, 1.0, 0.0, 0.0, 0.0, 2.0, 3.0, 1.0]);
        assert!((account.held_waiting - 0.6).abs() < 1e-9);
        assert!(account.unknown.is_empty());
    }

    #[test]
    fn running_time_is_divided_as_it_was_seen() {
        let tally = Tally { python: 3.0, native: 1.0, ..Tally::default() };
        let account = account(Mode::Units, &seen(tally, 4.0, 0.0, 4.0), 4.0, None);
        close(&account, [3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let tally = Tally { unfair_python: 1.0, unfair_native: 3.0, ..Tally::default() };
        let account = super::account(Mode::Units, &seen(tally, 4.0, 0.0, 4.0), 4.0, None);
        close(&account, [1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_loop_knows_what_ended_its_sleep() {
        let tally = Tally { selector_sockets: 1.0, selector_idle: 1.0, ..Tally::default() };
        let slept = Slept { until_event: 1.0, until_timer: 2.0, until_inbox: 1.0 };
        let mut seen = seen(tally, 1.0, 0.0, 0.0);
        seen.others = Tally { disk: 1.0, python: 1.0, lock: 5.0, ..Tally::default() };
        let account = account(Mode::Loop, &seen, 5.0, Some(slept));
        close(&account, [1.0, 0.0, 1.0, 0.5, 2.0, 0.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn a_loop_blocks_where_it_waits_elsewhere() {
        let tally = Tally { selector_idle: 2.0, disk: 1.0, gil: 1.0, ..Tally::default() };
        let account = account(Mode::Loop, &seen(tally, 1.0, 0.0, 0.0), 5.0, None);
        assert!((account.blocking - 1.0).abs() < 1e-9, "{account:?}");
    }

    #[test]
    fn another_loop_is_judged_by_what_it_watches() {
        let tally = Tally { selector_children: 1.0, selector_idle: 3.0, ..Tally::default() };
        let account = account(Mode::Loop, &seen(tally, 1.0, 0.0, 0.0), 5.0, None);
        close(&account, [1.0, 0.0, 0.0, 0.0, 3.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_nobody_could_tell_is_named() {
        let account = account(Mode::Units, &Seen::default(), 1.0, None);
        assert_eq!(account.unknown.len(), 9);
        close(&account, [0.0; 9]);
    }

    #[test]
    fn idle_workers_do_not_count() {
        let tally = Tally { running: 1.0, lock: 7.0, disk: 1.0, ..Tally::default() };
        let account = account(Mode::Threads, &seen(tally, 1.0, 0.0, 0.0), 5.0, None);
        close(&account, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
