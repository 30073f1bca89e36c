//! The life of a worker: one attachment to the interpreter, let go of only while it is parked.

use super::future::{Delivery, Future, Task, outcome_of};
use super::guard;
use super::hop::Hop;
use super::wait::{self, Spin};
use super::{BLOCKED_WAITS, NEXT_WAIT, Shared, Work, instant, now};
use crate::capi::{Callback, Instance, Obj, function_key, thread_ident};
use crate::errors;
use crate::event_loop::OwnerCell;
use crate::gate;
use nalsil_observe::Sample;
use nalsil_pool::{Idle, Idleness, Leavings, Next, Parked, Worker};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

/// A job that runs.
pub struct Running {
    pub work: Work,
    pub callable: Obj,
    /// Nanosecond.
    pub since: u64,
}

/// What others may know of a worker.
pub struct Slot {
    pub thread: AtomicU64,
    running: OwnerCell<Vec<Running>>,
    /// The function that it ran last, by its key.
    named: AtomicUsize,
    /// Nanosecond of the end of its last job.
    idle_since: AtomicU64,
    /// What the worker waits for.
    waits_for: OwnerCell<Option<Instance<Future>>>,
}

impl Slot {
    /// The jobs of the worker, the outermost first: one that waits may run another meanwhile.
    pub fn running<R>(&self, py: Python<'_>, look: impl FnOnce(&[Running]) -> R) -> R {
        self.running.with(py, |running| look(running))
    }

    /// Takes the outermost job away, when its thread is no more.
    pub fn take_running(&self, py: Python<'_>) -> Option<Work> {
        let running = self.running.with(py, std::mem::take);
        running.into_iter().next().map(|running| running.work)
    }

    fn runs(&self, py: Python<'_>, future: &Instance<Future>) -> bool {
        self.running.with(py, |running| {
            running.iter().any(|one| matches!(&one.work, Work::Future(own) if own.is(future)))
        })
    }
}

/// A blocked wait of a worker, for those who find that it can never end.
pub struct WaitEntry {
    hopeless: AtomicBool,
    /// Whether the wait is for a job that another worker runs.
    pub for_job: bool,
    waker: OwnerCell<Option<Waker>>,
}

impl WaitEntry {
    /// Ends the wait with an error.
    pub fn give_up(&self) {
        self.hopeless.store(true, Ordering::Release);
        let waker = self.waker.take_out(|waker| waker.take()).flatten();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The worker that the calling thread is.
#[derive(Clone)]
pub struct Current {
    pub shared: Arc<Shared>,
    pub slot: Arc<Slot>,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The worker that the calling thread is, if it is one.
pub fn current() -> Option<Current> {
    CURRENT.with_borrow(Clone::clone)
}

/// The same, if it belongs to that pool.
pub fn current_in(shared: &Arc<Shared>) -> Option<Current> {
    current().filter(|current| Arc::ptr_eq(&current.shared, shared))
}

/// The job that the calling thread runs.
pub fn current_job(py: Python<'_>) -> Option<Work> {
    let current = current()?;
    current.slot.running(py, |running| {
        running.last().map(|running| match &running.work {
            Work::Future(future) => Work::Future(future.clone_ref(py)),
            Work::Hop(hop) => Work::Hop(Arc::clone(hop)),
        })
    })
}

/// The blocked wait for which the running code works, or zero.
pub fn needed_by_now(py: Python<'_>) -> PyResult<u64> {
    if BLOCKED_WAITS.load(Ordering::Relaxed) == 0 {
        return Ok(0);
    }
    super::portal::needed_by(py)
}

/// A wait that was begun, to be ended.
pub struct Blocked {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    pub id: u64,
    entry: Arc<WaitEntry>,
}

impl Blocked {
    /// Whether the wait can never end.
    pub fn is_hopeless(&self) -> bool {
        self.entry.hopeless.load(Ordering::Acquire)
    }

    /// Sets what wakes the wait when it turns out to be hopeless.
    pub fn set_waker(&self, py: Python<'_>, waker: Waker) {
        let old = self.entry.waker.with(py, |place| place.replace(waker));
        drop(old);
    }

    /// Ends it.
    pub fn end(self, py: Python<'_>) {
        BLOCKED_WAITS.fetch_sub(1, Ordering::Relaxed);
        self.shared.pool.end_blocking();
        let gone = self.shared.waits.with(py, |waits| waits.remove(&self.id));
        let future = self.slot.waits_for.with(py, Option::take);
        drop((gone, future));
    }
}

impl Current {
    /// Runs the job of `future` here, if it has not begun: who waits for it has nothing better to
    /// do, and nobody else may be free.
    pub fn help(&self, py: Python<'_>, future: &Instance<Future>) -> PyResult<bool> {
        let bound = future.bind(py).to_owned();
        let Some((task, given)) = future.claim(&bound)? else { return Ok(false) };
        self.run_future(py, future, task, given, 0, Delivery::Now)?;
        Ok(true)
    }

    /// How many jobs this worker runs one inside the other.
    pub fn depth(&self, py: Python<'_>) -> usize {
        self.slot.running(py, <[Running]>::len)
    }

    /// Runs some queued job.
    pub fn run_another(&self, py: Python<'_>) -> PyResult<bool> {
        let mut leavings = Leavings::default();
        let taken = self.shared.pool.take_one(&mut leavings);
        leavings.clear();
        let Some(work) = taken else { return Ok(false) };
        self.run(py, work, 0, Delivery::Now)?;
        Ok(true)
    }

    /// Begins a wait for `future`, which another worker runs or will run. One that `ends` by itself
    /// may be part of a circle.
    pub fn begin_waiting_for(
        &self,
        py: Python<'_>,
        future: &Instance<Future>,
        ends: bool,
    ) -> PyResult<Blocked> {
        if !ends && self.waits_in_a_circle(py, future) {
            return Err(deadlock(
                py,
                "the jobs of the pool wait for one another in a circle",
                &self.shared,
            ));
        }
        let old = self.slot.waits_for.with(py, |place| place.replace(future.clone_ref(py)));
        drop(old);
        self.begin(py, true)
    }

    /// Begins a wait for something that may need another worker.
    pub fn begin_blocking(&self, py: Python<'_>) -> PyResult<Blocked> {
        self.begin(py, false)
    }

    fn begin(&self, py: Python<'_>, for_job: bool) -> PyResult<Blocked> {
        let id = NEXT_WAIT.fetch_add(1, Ordering::Relaxed);
        let entry =
            WaitEntry { hopeless: AtomicBool::new(false), for_job, waker: OwnerCell::new(None) };
        let entry = Arc::new(entry);
        self.shared.waits.with(py, |waits| waits.insert(id, Arc::clone(&entry)));
        BLOCKED_WAITS.fetch_add(1, Ordering::Relaxed);
        let (shared, slot) = (Arc::clone(&self.shared), Arc::clone(&self.slot));
        let blocked = Blocked { shared, slot, id, entry };
        let step = self.shared.pool.begin_blocking();
        // Without a thread more, the queued jobs wait for one of those that are there.
        if let Err(error) = self.shared.take_step(py, step) {
            blocked.end(py);
            return Err(error);
        }
        Ok(blocked)
    }

    fn waits_in_a_circle(&self, py: Python<'_>, future: &Instance<Future>) -> bool {
        let slots = self.shared.slots.with(py, |slots| slots.clone());
        let mut wanted = future.clone_ref(py);
        // As long as the chain may be; what changes meanwhile is no circle.
        for _ in 0..=slots.len() {
            let Some(runner) = slots.iter().find(|slot| slot.runs(py, &wanted)) else {
                return false;
            };
            if Arc::ptr_eq(runner, &self.slot) {
                return true;
            }
            let next = runner.waits_for.with(py, |waits| waits.as_ref().map(|w| w.clone_ref(py)));
            match next {
                Some(next) => wanted = next,
                None => return false,
            }
        }
        false
    }

    /// Runs `work`, unless nobody needs it. `woken` is the nanosecond in which
    /// the worker was woken for it, or zero.
    fn run(&self, py: Python<'_>, work: Work, woken: u64, delivery: Delivery) -> PyResult<()> {
        match work {
            Work::Future(future) => {
                let bound = future.bind(py).to_owned();
                match future.claim(&bound)? {
                    None => Ok(()),
                    Some((task, given)) => {
                        self.run_future(py, &future, task, given, woken, delivery)
                    }
                }
            }
            Work::Hop(hop) => self.run_hop(py, &hop, woken, delivery),
        }
    }

    fn run_future(
        &self,
        py: Python<'_>,
        future: &Instance<Future>,
        task: Task,
        given: u64,
        woken: u64,
        delivery: Delivery,
    ) -> PyResult<()> {
        let work = Work::Future(future.clone_ref(py));
        let (outcome, end) = self.timed(py, work, &task.callback, given, woken, || task.run(py));
        // What the job held goes before its end is known: who has the result may count on it.
        drop(task);
        let outcome = outcome_of(py, outcome);
        future.finish(&future.bind(py), outcome, delivery, end).map(drop)
    }

    fn run_hop(
        &self,
        py: Python<'_>,
        hop: &Arc<Hop>,
        woken: u64,
        delivery: Delivery,
    ) -> PyResult<()> {
        let Some(task) = hop.claim(py)? else { return Ok(()) };
        let work = Work::Hop(Arc::clone(hop));
        let given = hop.given();
        let (outcome, end) = self.timed(py, work, &task.callback, given, woken, || task.run(py));
        drop(task);
        hop.finish(py, outcome_of(py, outcome), delivery, end);
        Ok(())
    }

    fn timed(
        &self,
        py: Python<'_>,
        work: Work,
        callback: &Callback,
        given: u64,
        woken: u64,
        run: impl FnOnce() -> PyResult<Obj>,
    ) -> (PyResult<Obj>, u64) {
        let callable = callback.callable(py).unwrap_or_else(|| py.None().into_bound(py));
        let (function, named) = function_key(&callable);
        // Most jobs of a program are of few functions.
        if self.slot.named.swap(function, Ordering::Relaxed) != function {
            self.shared.name_function(py, function, &named);
        }
        drop(named);
        let since = now();
        let gil_wait = if woken == 0 { 0 } else { since.saturating_sub(woken) };
        let running = Running { work, callable: Obj::from(callable), since };
        self.slot.running.with(py, |list| list.push(running));
        let outcome = run();
        let end = now();
        let ended = self.slot.running.with(py, Vec::pop);
        drop(ended);
        self.shared.note_length(end - since);
        // Before anybody can know that the job has ended, so that its numbers are there by then.
        self.shared.pool.record(&Sample {
            function,
            queue_wait: since.saturating_sub(given),
            gil_wait,
            run: end - since,
            failed: outcome.is_err(),
        });
        self.slot.idle_since.store(end, Ordering::Relaxed);
        (outcome, end)
    }
}

/// The error of a wait that can never end, with the stacks of those that wait.
pub fn deadlock(py: Python<'_>, what: &str, shared: &Shared) -> PyErr {
    let threads: Vec<u64> = shared
        .slots
        .with(py, |slots| slots.iter().map(|slot| slot.thread.load(Ordering::Relaxed)).collect());
    let stacks = crate::imports::imports(py)
        .and_then(|imports| imports.stacks_of.bind(py).call1((threads,)))
        .and_then(|stacks| stacks.extract::<String>())
        .unwrap_or_default();
    let text = format!(
        "{what}; hint: give the pool more workers (`max_workers`, `max_overflow`), or a pool of its \
         own to the inner work\n{stacks}"
    );
    errors::of_class(py, |imports| &imports.pool_deadlock, text)
}

const CREATED: u8 = 0;
const BEGUN: u8 = 1;
const NEVER: u8 = 2;
const ENTERED: u8 = 3;

/// What a thread of a pool does.
#[pyclass(frozen, module = "nalsil._nalsil")]
pub struct WorkerThread {
    shared: Arc<Shared>,
    begun: AtomicU8,
}

impl WorkerThread {
    /// What a thread of this pool will do.
    pub fn new(shared: Arc<Shared>) -> Self {
        WorkerThread { shared, begun: AtomicU8::new(CREATED) }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.begun.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn enter(&self) -> Option<Worker> {
        self.change(BEGUN, ENTERED).then(|| self.shared.pool.enter())
    }
}

#[pymethods]
impl WorkerThread {
    /// Begin. False if it was decided that the thread never does.
    fn begins(&self) -> bool {
        self.change(CREATED, BEGUN)
    }

    /// Keep the thread from beginning. False if it has begun.
    pub fn never_begins(&self) -> bool {
        self.change(CREATED, NEVER) || self.begun.load(Ordering::Acquire) == NEVER
    }

    /// Run jobs until the pool says that it is enough.
    fn work(&self, py: Python<'_>) -> PyResult<()> {
        let Some(worker) = self.enter() else { return Ok(()) };
        let slot = Arc::new(Slot {
            thread: AtomicU64::new(thread_ident()),
            running: OwnerCell::new(Vec::new()),
            named: AtomicUsize::new(0),
            idle_since: AtomicU64::new(now()),
            waits_for: OwnerCell::new(None),
        });
        self.shared.slots.with(py, |slots| slots.push(Arc::clone(&slot)));
        let current = Current { shared: Arc::clone(&self.shared), slot: Arc::clone(&slot) };
        CURRENT.with_borrow_mut(|place| *place = Some(current.clone()));
        let outcome = current.work(py, worker);
        let left = CURRENT.with_borrow_mut(Option::take);
        self.shared.slots.with(py, |slots| slots.retain(|one| !Arc::ptr_eq(one, &slot)));
        wait::flush(py);
        drop(left);
        outcome
    }

    /// The thread ends without having worked: the initializer has failed.
    fn fail(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        let Some(worker) = self.enter() else { return Ok(()) };
        self.shared.break_down(py, reason);
        let step = self.shared.pool.abandon(worker);
        self.shared.take_step(py, step)
    }
}

impl Current {
    fn work(&self, py: Python<'_>, mut worker: Worker) -> PyResult<()> {
        let spin = Spin::default();
        let mut leavings = Leavings::default();
        let mut woken = 0;
        loop {
            let next = self.shared.pool.next(&mut worker, &mut leavings);
            leavings.clear();
            match next {
                Next::Run(work, step) => {
                    // The job takes as long as it likes.
                    wait::flush(py);
                    let stepped = self.shared.take_step(py, step);
                    wait::flush(py);
                    if let Err(error) = stepped {
                        // This worker goes on, so no job is left alone.
                        error.write_unraisable(py, None);
                    }
                    if let Err(error) = self.run(py, work, woken, Delivery::WhenParked) {
                        error.write_unraisable(py, None);
                    }
                    woken = 0;
                }
                Next::Park => match self.park(py, &mut worker, &spin) {
                    Some(at) => woken = at,
                    None => return Ok(()),
                },
                Next::Exit => return Ok(()),
            }
        }
    }

    /// Sleeps until there is work: the nanosecond in which it came. `None`: the worker retires.
    fn park(&self, py: Python<'_>, worker: &mut Worker, spin: &Spin) -> Option<u64> {
        let since = instant(self.slot.idle_since.load(Ordering::Relaxed));
        let mut idle = self.shared.idle_timeout.map(|timeout| Idleness { since, timeout });
        loop {
            let spin_time = spin.time();
            let (parked, woken) = gate::detached(py, || {
                wait::fire();
                let parked = worker.park_watched(spin_time, idle, guard::watches_sleep);
                guard::ends_sleep();
                (parked, now())
            });
            wait::clear(py);
            if spin_time.is_some() {
                spin.note(parked == Parked::Caught);
            }
            if parked != Parked::TimedOut {
                return Some(woken);
            }
            match self.shared.pool.idled(worker) {
                Idle::Retires => return None,
                Idle::Wanted => return Some(0),
                Idle::Stays => idle = None,
            }
        }
    }
}

/// Refuses what only a job can do.
pub fn not_in_a_job(function: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "{function}() works only in a job that a loop has given to a nalsil pool; hint: start it \
         with `await nalsil.to_thread(...)` or loop.run_in_executor()"
    ))
}
