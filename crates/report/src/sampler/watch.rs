//! The watching of units of work: threads say when they are inside one, and a thread of its own
//! looks at those that are.

use super::gil::GilPlace;
use super::tally::Tally;
use super::thread::{self, ProcessorTime};
use super::watcher::Watcher;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

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
    pub(super) thread: u32,
    /// How many units it is inside of.
    pub(super) inside: AtomicU32,
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
pub(super) struct Shared {
    pub(super) slots: Mutex<Vec<Arc<Slot>>>,
    /// The most threads with slots at once.
    most_slots: AtomicUsize,
    pub(super) ended: Mutex<bool>,
    pub(super) end: Condvar,
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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
        let shared = Arc::clone(&self.shared);
        let watcher = Watcher::new(shared, self.mode, caller.unwrap_or(0), gil, self.rate);
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

#[cfg(test)]
mod tests;
