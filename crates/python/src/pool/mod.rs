//! Threads: the pool's face towards Python, and the ways between threads and loops.
//!
//! The pool itself ([`nalsil_pool`]) decides who runs what; here its jobs are Python calls, its
//! threads are `threading.Thread`s, and what it wakes may be a worker, a thread in `result()`, or a
//! loop.

mod future;
mod guard;
mod hop;
mod portal;
mod report;
mod wait;
mod worker;

pub use future::{Delivery, Future};
pub use hop::{Hop, RUN_IN_EXECUTOR, check_cancelled};
pub use portal::{CallFromThread, PORTAL, refuse, run_from_thread, run_sync_from_thread};
pub use report::PoolView;
pub use wait::{Spin, ThreadParker, clear, fire, flush, look_at_processors_once, may_spin};
pub use worker::WorkerThread;

use crate::capi::intern;
use crate::capi::{
    Call, Callback, Instance, Method, MethodDef, Obj, call_method, check_job, copy_context,
    function_name, method,
};
use crate::errors;
use crate::event_loop::OwnerCell;
use crate::imports::imports;
use future::Task;
use nalsil_pool::{Job, Limits, Refused, Step, ThreadPool as Pool};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use worker::{Slot, WaitEntry};

/// Nanoseconds of a clock that never goes back. Never zero, which stands for "never".
pub fn now() -> u64 {
    nalsil_driver::sys::time::nanoseconds().unsigned_abs().max(1)
}

/// The moment of a nanosecond of [`now`].
fn instant(nanosecond: u64) -> Instant {
    /// One moment by both clocks.
    static SAME: OnceLock<(Instant, u64)> = OnceLock::new();
    let (moment, at) = *SAME.get_or_init(|| (Instant::now(), now()));
    let later = Duration::from_nanos(nanosecond.saturating_sub(at));
    let earlier = Duration::from_nanos(at.saturating_sub(nanosecond));
    moment.checked_sub(earlier).unwrap_or(moment) + later
}

/// Makes the classes that a program would else make at their first use; see
/// [`Once`](crate::capi::Once) for why that must not be then.
pub fn prepare(py: Python<'_>) {
    hop::prepare(py);
    portal::prepare(py);
}

/// What the pool's queue holds.
pub enum Work {
    /// A job with a future of its own.
    Future(Instance<Future>),
    /// A job whose result goes to a loop.
    Hop(Arc<Hop>),
}

impl Job for Work {
    fn is_stale(&self) -> bool {
        match self {
            Work::Future(future) => future.is_stale(),
            Work::Hop(hop) => hop.is_stale(),
        }
    }

    fn needed_by(&self) -> Option<u64> {
        match self {
            Work::Future(future) => future.needed_by(),
            Work::Hop(hop) => hop.needed_by(),
        }
    }
}

/// A function that was run.
struct Named {
    name: String,
    /// Keeps the key from being that of another function later.
    _keeper: Option<Obj>,
}

/// Functions whose names are kept.
const MOST_NAMES: usize = 512;

/// What the workers of a pool share, and outlives the executor as long as they run.
pub struct Shared {
    pool: Pool<Work>,
    /// The `nalsil._workers.Workers` that starts the threads.
    workers: Obj,
    idle_timeout: Option<Duration>,
    copies_context: bool,
    max_queue: Option<usize>,
    /// The functions that were run, by the key under which they are counted.
    functions: OwnerCell<HashMap<usize, Named>>,
    slots: OwnerCell<Vec<Arc<Slot>>>,
    waits: OwnerCell<HashMap<u64, Arc<WaitEntry>>>,
    /// Why the pool can be used no more.
    broken: OwnerCell<Option<String>>,
    /// Cancelled jobs that are still in the queue.
    cancelled: AtomicUsize,
    /// Whether the job that ended last took long.
    long_jobs: AtomicBool,
}

/// Nanoseconds from which on a job is long: it costs more than to wake a worker, and has probably
/// waited for something without the interpreter.
const LONG: u64 = 100_000;

/// Jobs that a worker runs one inside the other while it waits for room.
const MOST_NESTED: usize = 16;

/// Blocked waits of workers, in the whole process: while there are none, nobody asks for whom a job
/// is needed.
static BLOCKED_WAITS: AtomicUsize = AtomicUsize::new(0);
static NEXT_WAIT: AtomicU64 = AtomicU64::new(1);

impl Shared {
    fn new(
        limits: Limits,
        workers: Obj,
        idle_timeout: Option<Duration>,
        copies: bool,
    ) -> Arc<Self> {
        wait::look_at_processors();
        Arc::new(Shared {
            pool: Pool::new(limits),
            workers,
            idle_timeout,
            copies_context: copies,
            max_queue: limits.max_queue,
            functions: OwnerCell::new(HashMap::new()),
            slots: OwnerCell::new(Vec::new()),
            waits: OwnerCell::new(HashMap::new()),
            broken: OwnerCell::new(None),
            cancelled: AtomicUsize::new(0),
            long_jobs: AtomicBool::new(false),
        })
    }

    /// A pool of the same kind, without threads or jobs.
    fn successor(&self, py: Python<'_>) -> Arc<Self> {
        let workers = self.workers.clone_ref(py);
        let new = Shared::new(self.pool.limits(), workers, self.idle_timeout, self.copies_context);
        let broken = self.broken.with(py, |broken| broken.clone());
        new.broken.with(py, |place| *place = broken);
        new
    }

    /// Notes how many nanoseconds a job took.
    fn note_length(&self, nanoseconds: u64) {
        let long = nanoseconds >= LONG;
        if self.long_jobs.load(Ordering::Relaxed) != long {
            self.long_jobs.store(long, Ordering::Relaxed);
        }
    }

    /// Fails, in the child of a fork, what the parent's threads will do for the parent alone.
    fn forked(self: &Arc<Self>, py: Python<'_>, reason: &str) {
        self.broken.with(py, |broken| broken.get_or_insert_with(|| reason.to_owned()).len());
        self.pool.close();
        for work in self.pool.drain() {
            self.fail_in_child(py, &work);
        }
        let slots = self.slots.with(py, std::mem::take);
        for slot in slots {
            if let Some(work) = slot.take_running(py) {
                self.fail_in_child(py, &work);
            }
        }
        // The stacks of the threads that are not here still refer to this, so it is never freed.
    }

    /// Callbacks are the parent's business, and locks may be held by threads that are not here.
    fn fail_in_child(&self, py: Python<'_>, work: &Work) {
        if let Work::Future(future) = work {
            let error = Obj::from(self.closed_error(py).into_value(py).into_bound(py));
            future.fail_in_child(py, error);
        }
    }

    /// Does what the pool has asked for.
    ///
    /// # Errors
    ///
    /// When a thread was wanted, could not be started, and no other is there. The job that wanted
    /// it is still queued.
    fn take_step(self: &Arc<Self>, py: Python<'_>, step: Step) -> PyResult<()> {
        match step {
            Step::Nothing => Ok(()),
            Step::Wake(worker) => {
                if self.long_jobs.load(Ordering::Relaxed) {
                    // Workers wake one another, one after the other: were this put off until the
                    // end of a long job, or until the guard looks, so would all be that come next.
                    worker.wake();
                } else {
                    guard::put_off(worker);
                }
                Ok(())
            }
            Step::Start => self.start_worker(py),
            Step::Deadlock(_) => {
                self.break_deadlock(py);
                Ok(())
            }
        }
    }

    /// Gives up a blocked wait, if no blocked wait can end without a job that nobody is left to run.
    fn break_deadlock(&self, py: Python<'_>) {
        let mut needed = HashSet::new();
        self.pool.for_each(|work| {
            if !work.is_stale() {
                needed.extend(work.needed_by());
            }
        });
        let waits: Vec<_> = self.waits.with(py, |waits| {
            let for_calls = waits.iter().filter(|(_, entry)| !entry.for_job);
            for_calls.map(|(id, entry)| (*id, Arc::clone(entry))).collect()
        });
        // A wait without a queued job may end by itself, and its worker then runs the others. One
        // for a job of the pool ends when the worker that runs it goes on.
        if waits.iter().all(|(id, _)| needed.contains(id))
            && let Some((_, newest)) = waits.iter().max_by_key(|(id, _)| *id)
        {
            newest.give_up();
        }
    }

    fn start_worker(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let worker = Bound::new(py, WorkerThread::new(Arc::clone(self)))?;
        let start = intern!(py, "start");
        let started = call_method(&self.workers.bind(py), start, [worker.as_any()]);
        let Err(error) = started else { return Ok(()) };
        // The thread may have begun although its start was interrupted, and others may be there:
        // then the job is in good hands. What a signal handler has raised is not to be lost for that.
        let alone = worker.get().never_begins() && self.pool.start_failed();
        if alone || is_from_elsewhere(py, &error) { Err(error) } else { Ok(()) }
    }

    /// Fails the jobs that wait for a worker which could not be started.
    fn fail_orphans(self: &Arc<Self>, py: Python<'_>, error: &PyErr) {
        for work in self.pool.take_orphans() {
            self.fail_with(py, &work, error.clone_ref(py));
        }
    }

    /// The context in which a job runs.
    fn context(&self, py: Python<'_>) -> PyResult<Option<Obj>> {
        if self.copies_context { copy_context(py).map(Some) } else { Ok(None) }
    }

    /// Counts a cancelled job, and clears the queue of such jobs when they are many or others wait
    /// for their room.
    fn note_cancelled(&self, py: Python<'_>) {
        self.pool.count(|counts| counts.cancelled += 1);
        let cancelled = self.cancelled.fetch_add(1, Ordering::Relaxed) + 1;
        if self.pool.is_room_awaited() || cancelled > 64 && cancelled * 2 > self.pool.queued() {
            self.sweep();
        }
        wait::flush(py);
    }

    /// Takes cancelled jobs out of the queue. `false`: there are none.
    fn sweep(&self) -> bool {
        let some = self.cancelled.swap(0, Ordering::Relaxed) > 0;
        if some {
            self.pool.withdraw_stale().clear();
        }
        some
    }

    fn note_wake(&self, nanoseconds: u64) {
        self.pool.count(|counts| counts.wake.record(nanoseconds));
    }

    fn name_function(&self, py: Python<'_>, key: usize, function: &Bound<'_, PyAny>) {
        let known = self
            .functions
            .with(py, |functions| functions.contains_key(&key) || functions.len() >= MOST_NAMES);
        if known {
            return;
        }
        let (name, keeper) = function_name(function);
        let named = Named { name, _keeper: keeper };
        let old = self.functions.with(py, |functions| functions.insert(key, named));
        drop(old);
    }

    /// Queues `work`, waiting for room if `block` says so.
    fn give(
        self: &Arc<Self>,
        py: Python<'_>,
        work: Work,
        priority: i32,
        mut room: Room,
    ) -> PyResult<()> {
        let mut work = work;
        loop {
            match self.pool.submit(work, priority, room != Room::Unlimited) {
                Ok(step) => return self.take_step(py, step),
                Err(Refused::Closed(refused)) => {
                    drop(refused);
                    return Err(self.closed_error(py));
                }
                Err(Refused::Full(refused)) => {
                    work = refused;
                    if !self.sweep() {
                        room = self.wait_for_room(py, room)?;
                    }
                }
            }
        }
    }

    fn closed_error(&self, py: Python<'_>) -> PyErr {
        match self.broken.with(py, |broken| broken.clone()) {
            Some(reason) => errors::of_class(py, |imports| &imports.broken_pool, reason),
            None => PyRuntimeError::new_err(
                "cannot schedule new futures after shutdown; hint: submit before shutdown(), or \
                 make another pool",
            ),
        }
    }

    /// Waits for room. Returns on which terms to try again.
    fn wait_for_room(self: &Arc<Self>, py: Python<'_>, room: Room) -> PyResult<Room> {
        let full = |reason| errors::of_class(py, |imports| &imports.queue_full, reason);
        let most = self.max_queue.unwrap_or(usize::MAX);
        let Room::Wait(end) = room else {
            return Err(full(format!(
                "the queue of the pool is full ({most} jobs); hint: submit with block=True, or \
                 make the pool with a larger `max_queue`"
            )));
        };
        if let Some(own) = worker::current_in(self) {
            // Who waits in its own pool may wait for itself, so it works instead; but only so deep
            // in one stack.
            if own.depth(py) >= MOST_NESTED || !own.run_another(py)? {
                return Ok(Room::Unlimited);
            }
            return Ok(room);
        }
        let parker = ThreadParker::of_this_thread();
        let waker = parker.prepare();
        if !self.pool.wait_for_room(&waker) {
            return Ok(room);
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let waited = parker.park(py, left);
        let was_woken = !self.pool.stop_waiting_for_room(&waker);
        if was_woken
            && !matches!(waited, Ok(wait::Waited::Woken))
            && let Some(next) = self.pool.take_waiting_for_room()
        {
            next.wake();
        }
        if waited? == wait::Waited::TimedOut {
            return Err(full(format!(
                "the queue of the pool stayed full ({most} jobs); hint: submit less at a time, or \
                 make the pool with a larger `max_queue`"
            )));
        }
        Ok(room)
    }

    /// Ends the pool when its queue is empty.
    fn close(self: &Arc<Self>, py: Python<'_>) {
        let (wake, needs_worker) = self.pool.close();
        wake.into_iter().for_each(std::task::Waker::wake);
        if needs_worker {
            self.pool.claim_worker();
            if self.start_worker(py).is_err() {
                // Nobody will run what is left.
                self.cancel_queued(py);
            }
        }
    }

    fn cancel_queued(&self, py: Python<'_>) {
        for work in self.pool.drain() {
            let outcome = match &work {
                Work::Future(future) => {
                    call_method(&future.bind(py), intern!(py, "cancel"), []).map(drop)
                }
                Work::Hop(hop) => hop.cancel(py),
            };
            if let Err(error) = outcome {
                error.write_unraisable(py, None);
            }
        }
    }

    /// Fails every queued job with the error of a broken pool, and takes no more.
    fn break_down(self: &Arc<Self>, py: Python<'_>, reason: &str) {
        self.broken.with(py, |broken| {
            broken.get_or_insert_with(|| reason.to_owned());
        });
        let (wake, _) = self.pool.close();
        for work in self.pool.drain() {
            self.fail(py, &work);
        }
        wake.into_iter().for_each(std::task::Waker::wake);
    }

    fn fail(&self, py: Python<'_>, work: &Work) {
        self.fail_with(py, work, self.closed_error(py));
    }

    fn fail_with(&self, py: Python<'_>, work: &Work, error: PyErr) {
        let error = Obj::from(error.into_value(py).into_bound(py));
        let outcome = match work {
            Work::Future(future) => {
                let bound = future.bind(py);
                future.finish(&bound, Err(error), future::Delivery::Now, now()).map(drop)
            }
            Work::Hop(hop) => {
                hop.deliver_error(py, error);
                Ok(())
            }
        };
        if let Err(error) = outcome {
            error.write_unraisable(py, None);
        }
    }
}

/// Whether `error` comes from somewhere else than the start of a thread: from a signal handler that
/// ran meanwhile.
fn is_from_elsewhere(py: Python<'_>, error: &PyErr) -> bool {
    !error.is_instance_of::<PyRuntimeError>(py) && !error.is_instance_of::<PyMemoryError>(py)
}

/// What becomes of a job for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Room {
    /// It is taken all the same: who gives it awaits it.
    Unlimited,
    /// It is refused.
    Refuse,
    /// Its giver waits, until then if there is an end.
    Wait(Option<Instant>),
}

/// The native part of `nalsil.ThreadPoolExecutor`.
#[pyclass(frozen, subclass, module = "nalsil._nalsil")]
pub struct ThreadPool {
    /// Nothing until the executor is initialised.
    shared: OwnerCell<Option<Arc<Shared>>>,
}

impl ThreadPool {
    /// What its workers share.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if a subclass has not called `super().__init__()`.
    pub fn shared(&self, py: Python<'_>) -> PyResult<Arc<Shared>> {
        self.shared.with(py, |shared| shared.clone()).ok_or_else(|| {
            PyRuntimeError::new_err(
                "the pool is not initialised; hint: call super().__init__() in the subclass",
            )
        })
    }

    fn submit_task(
        &self,
        py: Python<'_>,
        callback: Callback,
        keywords: Option<Obj>,
        priority: i32,
        room: Room,
    ) -> PyResult<Instance<Future>> {
        let shared = self.shared(py)?;
        let context = shared.context(py)?;
        let task = Task { callback, keywords, context };
        let needed_by = worker::needed_by_now(py)?;
        let class = imports(py)?.future_class.bind(py);
        let future = Future::of_job(Arc::clone(&shared), task, now(), needed_by);
        let future = Instance::new_of(&*class.cast::<PyType>()?, future)?;
        let given = shared.give(py, Work::Future(future.clone_ref(py)), priority, room);
        if let Err(error) = given {
            // The job must not run after all; if it has begun, it was taken.
            let withdrawn = future.claim(&future.bind(py))?.is_some();
            shared.pool.withdraw_stale().clear();
            shared.fail_orphans(py, &error);
            if withdrawn || is_from_elsewhere(py, &error) {
                return Err(error);
            }
        }
        Ok(future)
    }
}

#[pymethods]
impl ThreadPool {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        ThreadPool { shared: OwnerCell::new(None) }
    }

    /// Make the pool, of checked parameters. `idle_timeout` in seconds.
    #[expect(clippy::too_many_arguments, reason = "the parameters of the constructor")]
    fn _open(
        slf: &Bound<'_, Self>,
        workers: &Bound<'_, PyAny>,
        max_workers: usize,
        max_overflow: usize,
        min_workers: usize,
        max_queue: Option<usize>,
        idle_timeout: Option<f64>,
        copies_context: bool,
    ) {
        let limits = Limits { max_workers, max_overflow, min_workers, max_queue };
        let idle_timeout = idle_timeout.and_then(|time| Duration::try_from_secs_f64(time).ok());
        let shared = Shared::new(limits, Obj::from(workers), idle_timeout, copies_context);
        let old = slf.get().shared.with(slf.py(), |place| place.replace(shared));
        drop(old);
    }

    /// What tells of the pool without keeping it.
    fn _view(slf: &Bound<'_, Self>) -> PyResult<report::PoolView> {
        slf.get().shared(slf.py()).map(|shared| report::PoolView::of(&shared))
    }

    /// Like submit(), with a priority, and a choice for a full queue: wait (for `timeout` seconds,
    /// or without end), or be refused.
    fn _submit<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
        arguments: &Bound<'py, PyTuple>,
        keywords: &Bound<'py, PyDict>,
        priority: i32,
        block: bool,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let end = timeout.and_then(|seconds| {
            Instant::now().checked_add(Duration::try_from_secs_f64(seconds.max(0.0)).ok()?)
        });
        check_job(function, "submit")?;
        let room = if block { Room::Wait(end) } else { Room::Refuse };
        let callback = Callback::new(function, arguments)?;
        let keywords = (!keywords.is_empty()).then(|| Obj::from(keywords));
        let future = slf.get().submit_task(py, callback, keywords, priority, room)?;
        Ok(future.into_obj().into_bound(py))
    }

    /// Take no more jobs; with `cancel` cancel those that wait.
    fn _close(slf: &Bound<'_, Self>, cancel: bool) {
        let py = slf.py();
        let Ok(shared) = slf.get().shared(py) else { return };
        if cancel {
            shared.cancel_queued(py);
        }
        shared.close(py);
    }

    /// The child of a fork has none of the threads: fail what they had to do, and forget them.
    fn _after_fork(slf: &Bound<'_, Self>, reason: &str) {
        let py = slf.py();
        let Ok(old) = slf.get().shared(py) else { return };
        guard::forget();
        let was_closed = old.pool.is_closed();
        let new = old.successor(py);
        if was_closed {
            new.close(py);
        }
        let _old = slf.get().shared.with(py, |place| place.replace(new));
        old.forked(py, reason);
    }

    fn _queued(slf: &Bound<'_, Self>) -> usize {
        let shared = slf.get().shared(slf.py());
        shared.map_or(0, |shared| shared.pool.queued())
    }

    fn _is_closed(slf: &Bound<'_, Self>) -> bool {
        let shared = slf.get().shared(slf.py());
        shared.is_ok_and(|shared| shared.pool.is_closed())
    }

    /// Why the pool can be used no more, or None.
    fn _broken_reason(slf: &Bound<'_, Self>) -> Option<String> {
        let shared = slf.get().shared(slf.py()).ok()?;
        shared.broken.with(slf.py(), |broken| broken.clone())
    }

    /// See ThreadPoolExecutor.statistics().
    fn _statistics<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        report::statistics(slf.py(), &*slf.get().shared(slf.py())?)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        // Its workers end when they have done what is queued.
        if let Some(shared) = self.shared.take_out(Option::take).flatten() {
            report::close_dropped(&shared);
        }
    }
}

struct Submit;

impl Method for Submit {
    type This = ThreadPool;
    const NAME: &'static CStr = c"submit";
    const DOC: &'static CStr = c"submit($self, fn, /, *args, **kwargs)\n--\n\n\
        Run fn(*args, **kwargs) in a worker and return its nalsil.Future.\n\n\
        Waits while a bounded queue is full. Raises RuntimeError after shutdown(), and if there is\n\
        no worker and none can be started; the job is then not run.";

    #[inline]
    fn call(this: &ThreadPool, call: &Call<'_, '_>) -> PyResult<Obj> {
        let callback = call.job("submit", 0)?;
        let keywords = call.keyword_dict()?;
        let future = this.submit_task(call.py(), callback, keywords, 0, Room::Wait(None))?;
        Ok(future.into_obj())
    }
}

/// The methods that do not go through PyO3's own argument handling.
pub fn methods() -> Vec<MethodDef> {
    vec![method::<Submit>()]
}
