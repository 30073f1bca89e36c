//! The watching of units of work: threads say when they are inside one, and a thread of its own
//! looks at those that are.

use super::gil::{GilPlace, GilState};
use super::memory::Memory;
use super::syscall::Wait;
use super::tally::{Doing, Tally};
use super::thread::{self, ProcessorTime, Thread};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Whose time is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Of threads while they are inside a unit.
    Units,
    /// Of the thread that begins the watch, always.
    Loop,
    /// Of all threads but the one that begins the watch.
    Threads,
}

/// Nanoseconds that each unit took, in the order in which one thread ran them.
pub type Latencies = Vec<u64>;

/// What one thread tells of itself.
#[derive(Debug)]
pub struct Slot {
    thread: u32,
    /// How many units it is inside of.
    inside: AtomicU32,
    /// Its times when the watch began.
    before: Mutex<ProcessorTime>,
    /// Its times when it ended: the kernel forgets a thread that is gone.
    after: Mutex<Option<ProcessorTime>>,
    latencies: Mutex<Latencies>,
    /// Nanoseconds inside of units, each once: a unit may run another.
    within: AtomicU64,
}

impl Slot {
    /// A unit begins on the thread of this slot.
    pub fn enter(&self) {
        self.inside.fetch_add(1, Ordering::Relaxed);
    }

    /// It has ended.
    pub fn leave(&self, nanoseconds: u64) {
        if self.inside.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.within.fetch_add(nanoseconds, Ordering::Relaxed);
        }
        self.record(nanoseconds);
    }

    /// The thread of this slot, which calls, is about to end.
    pub fn end(&self) {
        *lock(&self.after) = Some(ProcessorTime::of_this_thread().unwrap_or_default());
    }

    /// Notes a unit that took so long.
    pub fn record(&self, nanoseconds: u64) {
        lock(&self.latencies).push(nanoseconds);
    }
}

/// What was seen from the beginning of a watch to its end.
#[derive(Debug, Default)]
pub struct Seen {
    /// The time of the threads whose time counts, sampled.
    pub tally: Tally,
    /// In [`Mode::Loop`]: the time of all others, while the loop's thread slept in its selector.
    pub others: Tally,
    /// The seconds that samples stand for.
    pub observed: f64,
    /// Seconds in which somebody held the GIL. `None`: nobody knows.
    pub gil_held: Option<f64>,
    /// What the kernel counted for the threads whose time counts. `None`: it does not.
    pub processor: Option<ProcessorTime>,
    /// What the watching itself took.
    pub own: ProcessorTime,
    /// How many times it looked.
    pub looks: u64,
    /// The most threads that were seen at once, without the watching one.
    pub threads: usize,
    /// How long each unit took.
    pub latencies: Latencies,
    /// Seconds of threads inside of units.
    pub within: f64,
    /// Whether the kernel tells what sleeping threads wait for.
    pub waits_known: bool,
}

#[derive(Debug, Default)]
struct Shared {
    slots: Mutex<Vec<Arc<Slot>>>,
    /// The most threads with slots at once.
    most_slots: AtomicUsize,
    ended: Mutex<bool>,
    end: Condvar,
}

/// A watch over the units of this process.
#[derive(Debug)]
pub struct Watch {
    mode: Mode,
    /// Looks per second.
    rate: f64,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<Seen>,
    process: u32,
    caller: Option<(u32, ProcessorTime)>,
}

/// Nothing that panics holds these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// A watch that has not begun, with `rate` looks per second.
    pub fn new(mode: Mode, rate: f64) -> Self {
        Watch { mode, rate, shared: Arc::default(), running: Mutex::new(None) }
    }

    /// Whose time is counted.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// A slot for the thread that calls.
    pub fn register(&self) -> Arc<Slot> {
        let thread = thread::current_thread().unwrap_or(0);
        let slot = Arc::new(Slot {
            thread,
            inside: AtomicU32::new(0),
            before: Mutex::new(ProcessorTime::of_this_thread().unwrap_or_default()),
            after: Mutex::default(),
            latencies: Mutex::default(),
            within: AtomicU64::new(0),
        });
        let mut slots = lock(&self.shared.slots);
        slots.push(Arc::clone(&slot));
        let alive = slots.iter().filter(|slot| lock(&slot.after).is_none()).count();
        self.shared.most_slots.fetch_max(alive, Ordering::Relaxed);
        drop(slots);
        slot
    }

    /// Forgets what was counted and begins to watch.
    ///
    /// # Errors
    ///
    /// The watch has begun already, or no thread can be started.
    pub fn begin(&self, gil: Option<GilPlace>) -> io::Result<()> {
        let mut running = lock(&self.running);
        if running.as_ref().is_some_and(|running| running.process == std::process::id()) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the watch has begun already",
            ));
        }
        let mut slots = lock(&self.shared.slots);
        slots.retain(|slot| lock(&slot.after).is_none());
        for slot in &*slots {
            *lock(&slot.before) = ProcessorTime::of(slot.thread).unwrap_or_default();
            lock(&slot.latencies).clear();
            slot.within.store(0, Ordering::Relaxed);
        }
        self.shared.most_slots.store(slots.len(), Ordering::Relaxed);
        drop(slots);
        *lock(&self.shared.ended) = false;
        let caller = thread::current_thread();
        let watcher = Watcher {
            shared: Arc::clone(&self.shared),
            mode: self.mode,
            caller: caller.unwrap_or(0),
            gil,
            memory: Memory::own().ok(),
            open: HashMap::new(),
            own: None,
            in_the_way: false,
            seat: Seat::default(),
            gone: ProcessorTime::default(),
            seen: Seen::default(),
            pace: Pace::new(self.rate),
        };
        let thread = std::thread::Builder::new()
            .name("nalsil-sampler".into())
            .spawn(move || watcher.run())?;
        let caller = caller.zip(ProcessorTime::of_this_thread());
        *running = Some(Running { thread, process: std::process::id(), caller });
        Ok(())
    }

    /// Ends the watch. `None`: it has not begun in this process.
    pub fn end(&self) -> Option<Seen> {
        let running = lock(&self.running).take()?;
        if running.process != std::process::id() {
            // The thread stayed with the parent of a fork.
            return None;
        }
        *lock(&self.shared.ended) = true;
        self.shared.end.notify_all();
        let mut seen = running.thread.join().ok()?;
        if self.mode != Mode::Threads {
            seen.processor = self.processor(running.caller);
        }
        seen.threads = seen.threads.max(self.shared.most_slots.load(Ordering::Relaxed));
        for slot in &*lock(&self.shared.slots) {
            seen.latencies.append(&mut lock(&slot.latencies));
            seen.within += slot.within.load(Ordering::Relaxed) as f64 * 1e-9;
        }
        Some(seen)
    }

    fn processor(&self, caller: Option<(u32, ProcessorTime)>) -> Option<ProcessorTime> {
        if self.mode == Mode::Loop {
            let (thread, before) = caller?;
            return Some(ProcessorTime::of(thread)?.since(before));
        }
        ProcessorTime::of_this_thread()?;
        let mut sum = ProcessorTime::default();
        for slot in &*lock(&self.shared.slots) {
            if let Some(now) = lock(&slot.after).or_else(|| ProcessorTime::of(slot.thread)) {
                let spent = now.since(*lock(&slot.before));
                sum.on += spent.on;
                sum.queued += spent.queued;
            }
        }
        Some(sum)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Its thread never waits for anybody, so this does not either.
        self.end();
    }
}

/// A look at more threads than that is a look at some of them, which stand for the others.
const MOST: usize = 64;
/// Looks between two countings of the threads, and of the own cost.
const ROUND: u64 = 32;
/// Share of one processor that watching may take; it looks less often if it took more.
const COST: f64 = 0.015;
const LONGEST: Duration = Duration::from_millis(50);

/// What the watching thread has.
struct Watcher {
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
    fn run(mut self) -> Seen {
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

/// The processor from which the watching thread looks, so that it is not in the way of those that
/// it looks at: one of those that this process may use.
#[derive(Default)]
struct Seat {
    allowed: Option<Vec<usize>>,
    next: usize,
}

impl Seat {
    /// Goes to another processor, if there is one.
    fn change(&mut self) {
        let allowed = self.allowed.get_or_insert_with(|| {
            let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
            (0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect()
        });
        if allowed.len() > 1 {
            self.next = (self.next + 1) % allowed.len();
            let mut set = CpuSet::new();
            set.set(allowed[self.next]);
            // Where it is not allowed, the samples are not fair, and say so.
            let _ = sched_setaffinity(None, &set);
        }
    }
}

/// When to look next.
struct Pace {
    period: Duration,
    random: u64,
}

impl Pace {
    fn new(rate: f64) -> Self {
        let seed = std::process::id() as u64 ^ Instant::now().elapsed().as_nanos() as u64;
        Pace { period: Duration::from_secs_f64(1.0 / rate).min(LONGEST), random: seed | 1 << 32 }
    }

    /// A number below `bound`, by Marsaglia's xorshift: it only has to be out of step.
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) as usize % bound.max(1)
    }

    /// Half a period to one and a half.
    fn next(&mut self) -> Duration {
        let thousandths = 500 + self.below(1001) as u32;
        self.period * thousandths / 1000
    }

    fn keep_cheap(&mut self, elapsed: Duration) {
        let own = ProcessorTime::of_this_thread().unwrap_or_default().on;
        if own as f64 * 1e-9 > COST * elapsed.as_secs_f64() {
            self.period = (self.period * 3 / 2).min(LONGEST);
        }
    }
}

#[cfg(test)]
mod tests;
