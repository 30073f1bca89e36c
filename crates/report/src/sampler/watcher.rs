//! The thread that looks at others.

use super::gil::{GilPlace, GilState};
use super::memory::Memory;
use super::pace::{Pace, Seat};
use super::syscall::Wait;
use super::tally::Doing;
use super::thread::{self, ProcessorTime, Thread};
use super::watch::{Mode, Seen, Shared, lock};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A look at more threads than that is a look at some of them, which stand for the others.
const MOST: usize = 64;
/// Looks between two countings of the threads, and of the own cost.
const ROUND: u64 = 32;
/// What the watching thread has.
pub(super) struct Watcher {
    shared: Arc<Shared>,
    mode: Mode,
    caller: u32,
    gil: Option<GilPlace>,
    memory: Option<Memory>,
    /// `None`: the thread cannot be looked at.
    open: HashMap<u32, Option<Watched>>,
    /// The watching thread itself.
    own: Option<Thread>,
    /// Whether the present look has taken the processor of a thread that it looked at.
    in_the_way: bool,
    seat: Seat,
    /// What threads have spent that are gone.
    gone: ProcessorTime,
    seen: Seen,
    pace: Pace,
}

impl Watcher {
    /// A watcher of this process, for the thread `caller`.
    pub(super) fn new(
        shared: Arc<Shared>,
        mode: Mode,
        caller: u32,
        gil: Option<GilPlace>,
        rate: f64,
    ) -> Self {
        Watcher {
            shared,
            mode,
            caller,
            gil,
            memory: Memory::own().ok(),
            open: HashMap::new(),
            own: None,
            in_the_way: false,
            seat: Seat::default(),
            gone: ProcessorTime::default(),
            seen: Seen::default(),
            pace: Pace::new(rate),
        }
    }

    /// Looks until the watch ends.
    pub(super) fn run(mut self) -> Seen {
        let own = thread::current_thread().unwrap_or(0);
        self.own = Thread::open(own).ok();
        self.seen.waits_known = self.memory.is_some()
            && self.own.as_ref().is_some_and(|thread| thread.call().is_some());
        self.seen.gil_held = self.gil.zip(self.memory.as_ref()).map(|_| 0.0);
        let mut others = self.list_threads(own);
        for &thread in &others {
            let files = Thread::open(thread).ok();
            let begun = files.as_ref().and_then(Thread::time).unwrap_or_default();
            self.open.insert(thread, files.map(|files| Watched { begun, ..Watched::new(files) }));
        }
        let mut last = Instant::now();
        let begun = last;
        loop {
            let after = self.pace.next();
            if self.ended(after) {
                break;
            }
            let now = Instant::now();
            let seconds = (now - last).as_secs_f64();
            last = now;
            self.look(seconds, &others);
            self.seen.looks += 1;
            if std::mem::take(&mut self.in_the_way) {
                self.seat.change();
            }
            if self.seen.looks.is_multiple_of(ROUND) {
                others = self.list_threads(own);
                self.pace.keep_cheap(begun.elapsed());
            }
        }
        self.list_threads(own);
        if self.mode == Mode::Threads {
            let gone = std::mem::take(&mut self.gone);
            let alive = self.open.iter().filter(|(thread, _)| **thread != self.caller);
            let spent = alive.filter_map(|(_, watched)| watched.as_ref().map(Watched::spent));
            self.seen.processor = Some(spent.fold(gone, ProcessorTime::plus));
        }
        self.seen.own = ProcessorTime::of_this_thread().unwrap_or_default();
        self.seen
    }

    fn ended(&self, after: Duration) -> bool {
        let ended = lock(&self.shared.ended);
        let (ended, _) = self
            .shared
            .end
            .wait_timeout_while(ended, after, |ended| !*ended)
            .unwrap_or_else(PoisonError::into_inner);
        *ended
    }

    /// The threads of the process but this one and the one that began the watch.
    fn list_threads(&mut self, own: u32) -> Vec<u32> {
        let mut threads = thread::threads();
        let gone = self.open.extract_if(|thread, _| !threads.contains(thread));
        let spent = gone.filter_map(|(_, watched)| watched.map(|watched| watched.spent()));
        self.gone = spent.fold(self.gone, ProcessorTime::plus);
        threads.retain(|&thread| thread != own && thread != self.caller);
        threads
    }

    fn look(&mut self, seconds: f64, others: &[u32]) {
        self.seen.observed += seconds;
        let siblings = self.own.as_ref().and_then(Thread::siblings).unwrap_or(0);
        self.seen.threads = self.seen.threads.max(siblings.saturating_sub(1));
        let gil = self.gil.zip(self.memory.as_ref()).and_then(|(gil, memory)| gil.state(memory));
        if let (Some(GilState::Held(_)), Some(held)) = (gil, &mut self.seen.gil_held) {
            *held += seconds;
        }
        match self.mode {
            Mode::Loop => {
                let Some(doing) = self.doing(self.caller, gil) else { return };
                self.seen.tally.add(doing, seconds);
                if matches!(doing, Doing::Waits { what: Wait::Selector(_), .. }) {
                    for &thread in others.iter().take(MOST) {
                        if let Some(doing) = self.doing(thread, gil) {
                            self.seen.others.add(doing, seconds);
                        }
                    }
                }
            }
            Mode::Threads => self.look_at(others, gil, seconds),
            Mode::Units => {
                let inside: Vec<u32> = lock(&self.shared.slots)
                    .iter()
                    .filter(|slot| slot.inside.load(Ordering::Relaxed) > 0)
                    .map(|slot| slot.thread)
                    .collect();
                self.look_at(&inside, gil, seconds);
            }
        }
    }

    fn look_at(&mut self, threads: &[u32], gil: Option<GilState>, seconds: f64) {
        let some = threads.len().min(MOST);
        let from = if threads.len() > MOST { self.pace.below(threads.len()) } else { 0 };
        let seconds = seconds * threads.len() as f64 / some.max(1) as f64;
        for &thread in threads.iter().cycle().skip(from).take(some) {
            if let Some(doing) = self.doing(thread, gil) {
                self.seen.tally.add(doing, seconds);
            }
        }
    }

    /// What `thread` does now. `None`: it cannot be seen.
    fn doing(&mut self, thread: u32, gil: Option<GilState>) -> Option<Doing> {
        let memory = self.memory.as_ref()?;
        let watched =
            self.open.entry(thread).or_insert_with(|| Thread::open(thread).ok().map(Watched::new));
        let watched = watched.as_mut()?;
        let call = watched.files.call()?;
        if self.mode == Mode::Threads {
            watched.now = watched.files.time().unwrap_or(watched.now);
        }
        if self.gil.is_some_and(|place| place.is_awaited(&call)) {
            return Some(Doing::AwaitsGil);
        }
        let holds_gil = gil.map(|state| state == GilState::Held(thread));
        Some(match call.wait(memory) {
            Some(what) => Doing::Waits { what, holds_gil: holds_gil == Some(true) },
            None => {
                let here = self.own.as_ref().and_then(Thread::processor);
                let displaced = watched.files.processor() == here;
                self.in_the_way |= displaced;
                // A thread that takes the GIL during the look, or loses it, does neither.
                let later = self.gil.and_then(|place| place.state(memory));
                let changed = later.map(|state| state == GilState::Held(thread)) != holds_gil;
                Doing::Running { holds_gil, fair: !displaced && !changed }
            }
        })
    }
}

/// A thread that is looked at.
struct Watched {
    files: Thread,
    /// Its times when the watch began: nothing if it came later.
    begun: ProcessorTime,
    /// Its times at the last look.
    now: ProcessorTime,
}

impl Watched {
    fn new(files: Thread) -> Self {
        let nothing = ProcessorTime::default();
        Watched { files, begun: nothing, now: nothing }
    }

    /// What it has spent since the watch began, as far as somebody saw it.
    fn spent(&self) -> ProcessorTime {
        self.files.time().unwrap_or(self.now).since(self.begun)
    }
}
