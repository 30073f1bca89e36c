//! A job whose result goes to a loop: one future, completed by the loop itself.

use super::future::{Delivery, Outcome, Task};
use super::wait;
use super::worker::{self, current_job, not_in_a_job};
use super::{Room, Shared, ThreadPool, Work, now};
use crate::capi::intern;
use crate::capi::{
    Call, Callback, Method, MethodDef, Obj, Visit, call_method, copy_context, method,
};
use crate::errors;
use crate::event_loop::{EventLoop, OwnerCell, Ready};
use crate::imports::imports;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    Running,
    /// Has run, or never will.
    Ended,
}

struct State {
    stage: Stage,
    task: Option<Task>,
    outcome: Option<Outcome>,
    /// Set when who awaits has asked the job to stop.
    cancel_requested: bool,
    /// A future for the end of a job whose own future was cancelled.
    watcher: Option<Obj>,
    /// Nanosecond of the end.
    ended: u64,
}

/// A job of a loop.
pub struct Hop {
    event_loop: Obj,
    future: Obj,
    pool: Arc<Shared>,
    state: OwnerCell<State>,
    given: u64,
    needed_by: u64,
    under_way: Arc<AtomicUsize>,
    /// Whether the job gets to know that who awaits it was cancelled.
    cancellable: bool,
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hop {
    /// Whether nobody needs to run it. Touches no Python.
    pub fn is_stale(&self) -> bool {
        self.state.look(|state| state.stage != Stage::Queued).unwrap_or(false)
    }

    /// The blocked wait that needs the job.
    pub fn needed_by(&self) -> Option<u64> {
        Some(self.needed_by).filter(|id| *id != 0)
    }

    /// Nanosecond in which the job was given.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// The loop that awaits the job.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.event_loop.bind(py).to_owned()
    }

    fn future_is(
        &self,
        py: Python<'_>,
        question: &Bound<'_, pyo3::types::PyString>,
    ) -> PyResult<bool> {
        call_method(&self.future.bind(py), question, [])?.is_truthy()
    }

    /// Begins to run, unless that is not wanted any more.
    ///
    /// # Errors
    ///
    /// What the future raises.
    pub fn claim(&self, py: Python<'_>) -> PyResult<Option<Task>> {
        let wanted = !self.future_is(py, intern!(py, "cancelled"))?;
        let (task, begun) = self.state.with(py, |state| {
            let queued = state.stage == Stage::Queued;
            if queued {
                state.stage = if wanted { Stage::Running } else { Stage::Ended };
            }
            (state.task.take(), queued && wanted)
        });
        if !wanted {
            self.pool.pool.count(|counts| counts.cancelled += 1);
        }
        Ok(task.filter(|_| begun))
    }

    /// Gives the outcome to the loop.
    pub fn finish(
        self: &Arc<Self>,
        py: Python<'_>,
        outcome: Outcome,
        delivery: Delivery,
        end: u64,
    ) {
        self.state.with(py, |state| {
            state.stage = Stage::Ended;
            state.outcome = Some(outcome);
            state.ended = end;
        });
        if self.is_left(py) {
            self.pool.pool.count(|counts| counts.abandoned += 1);
        }
        let bound = self.event_loop.bind(py);
        let Ok(event_loop) = bound.cast::<EventLoop>() else { return };
        let item = Ready::Hop(Arc::clone(self));
        match delivery {
            Delivery::Now => event_loop.get().send(py, item),
            Delivery::WhenParked => {
                wait::put_off(event_loop.get().send_quietly(py, item));
            }
        }
    }

    fn is_left(&self, py: Python<'_>) -> bool {
        let watched = self.state.with(py, |state| state.watcher.is_some());
        !watched && self.future_is(py, intern!(py, "cancelled")).unwrap_or(false)
    }

    /// Whether the job runs though nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// What the future raises.
    pub fn is_abandoned(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.is_left(py))
    }

    /// In the loop's thread: completes the future.
    ///
    /// # Errors
    ///
    /// What ends the run.
    pub fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        let (outcome, watcher, ended) =
            self.state.with(py, |state| (state.outcome.take(), state.watcher.take(), state.ended));
        let Some(outcome) = outcome else { return Ok(()) };
        self.pool.note_wake(now().saturating_sub(ended));
        let future = self.future.bind(py);
        let done = self.future_is(py, intern!(py, "done"))?;
        match outcome {
            Ok(result) if !done => {
                call_method(&future, intern!(py, "set_result"), [&result.bind(py)])?;
            }
            Err(error) if !done => {
                let error = self.for_a_future(py, error)?;
                call_method(&future, intern!(py, "set_exception"), [&error])?;
            }
            Ok(_) => {}
            Err(error) => self.report(py, error)?,
        }
        if let Some(watcher) = watcher {
            let watcher = watcher.bind(py);
            if !call_method(&watcher, intern!(py, "done"), [])?.is_truthy()? {
                watcher.call_method1(intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }

    /// The exception as a loop's future has it: `concurrent.futures` has kinds of its own for what
    /// asyncio knows as well, and `StopIteration` would end the coroutine that awaits it.
    fn for_a_future<'py>(&self, py: Python<'py>, error: Obj) -> PyResult<Bound<'py, PyAny>> {
        let error = error.into_bound(py);
        let (class, imports) = (error.get_type(), imports(py)?);
        for (from, to) in [
            (&imports.future_cancelled, &imports.cancelled_error),
            (&imports.invalid_state, &imports.loop_invalid_state),
        ] {
            if class.is(&*from.bind(py)) {
                let arguments = error.getattr(intern!(py, "args"))?.cast_into::<PyTuple>()?;
                return to.bind(py).call1(arguments);
            }
        }
        if !error.is_instance_of::<PyStopIteration>() {
            return Ok(error);
        }
        let wrapped = PyRuntimeError::new_err("the job raised StopIteration").into_value(py);
        wrapped.bind(py).setattr(intern!(py, "__cause__"), error)?;
        Ok(wrapped.into_bound(py).into_any())
    }

    /// An exception that nobody awaits.
    fn report(&self, py: Python<'_>, error: Obj) -> PyResult<()> {
        let error = error.into_bound(py);
        if is_cancellation(&error)? {
            return Ok(());
        }
        errors::report(
            &self.event_loop.bind(py),
            "Exception in a job in a thread whose caller was cancelled",
            PyErr::from_value(error),
            &[("future", self.future.bind(py).to_owned())],
        )
    }

    /// The loop was closed before the outcome came.
    pub fn undeliverable(&self, py: Python<'_>) {
        let outcome = self.state.with(py, |state| state.outcome.take());
        let Some(Err(error)) = outcome else { return };
        let logged = imports(py).and_then(|imports| {
            let error = error.into_bound(py);
            if is_cancellation(&error)? {
                return Ok(());
            }
            let keywords = pyo3::types::PyDict::new(py);
            keywords.set_item("exc_info", &error)?;
            let text = ("exception in a job whose loop was closed: %r", &error);
            imports.logger.bind(py).call_method("error", text, Some(&keywords)).map(drop)
        });
        if let Err(error) = logged {
            error.write_unraisable(py, None);
        }
    }

    /// Fails the future from any thread.
    pub fn deliver_error(self: &Arc<Self>, py: Python<'_>, error: Obj) {
        self.finish(py, Err(error), Delivery::Now, now());
    }

    /// Keeps a job that has not begun from it. `false`: it has.
    pub fn withdraw(&self, py: Python<'_>) -> bool {
        let task = self.state.with(py, |state| {
            let queued = state.stage == Stage::Queued;
            if queued {
                state.stage = Stage::Ended;
            }
            state.task.take().filter(|_| queued)
        });
        let withdrawn = task.is_some();
        drop(task);
        withdrawn
    }

    /// Cancels a job that was taken out of the queue, and its future, from any thread.
    ///
    /// # Errors
    ///
    /// What a closed loop raises.
    pub fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        if !self.withdraw(py) {
            return Ok(());
        }
        self.pool.pool.count(|counts| counts.cancelled += 1);
        let event_loop = self.event_loop(py);
        if event_loop.cast::<EventLoop>()?.get().is_closed_now() {
            return Ok(());
        }
        let cancel = self.future.bind(py).getattr(intern!(py, "cancel"))?;
        self.event_loop
            .bind(py)
            .call_method1(intern!(py, "call_soon_threadsafe"), (cancel,))
            .map(drop)
    }

    /// Whether who awaits the job wants it to stop.
    fn cancel_requested(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.cancellable {
            return Ok(false);
        }
        let asked = self.state.with(py, |state| state.cancel_requested);
        Ok(asked || self.future_is(py, intern!(py, "cancelled"))?)
    }
}

/// Whether a job says with its exception no more than that it has obeyed.
fn is_cancellation(error: &Bound<'_, PyAny>) -> PyResult<bool> {
    let imports = imports(error.py())?;
    Ok(error.is_instance(&imports.cancelled_error.bind(error.py()))?
        || error.is_instance(&imports.future_cancelled.bind(error.py()))?)
}

impl EventLoop {
    fn hop(
        &self,
        this: &Bound<'_, EventLoop>,
        pool: &Arc<Shared>,
        callback: Callback,
        cancellable: bool,
        context: Option<Obj>,
    ) -> PyResult<(Arc<Hop>, Obj)> {
        let py = this.py();
        let future = Obj::from(self.new_future(this)?);
        self.hops_under_way.fetch_add(1, Ordering::Relaxed);
        let hop = Arc::new(Hop {
            under_way: Arc::clone(&self.hops_under_way),
            event_loop: Obj::from(this),
            future: future.clone_ref(py),
            pool: Arc::clone(pool),
            state: OwnerCell::new(State {
                stage: Stage::Queued,
                task: Some(Task { callback, keywords: None, context }),
                outcome: None,
                cancel_requested: false,
                watcher: None,
                ended: 0,
            }),
            given: now(),
            needed_by: worker::needed_by_now(py)?,
            cancellable,
        });
        let given = pool.give(py, Work::Hop(Arc::clone(&hop)), 0, Room::Unlimited);
        if let Err(error) = given {
            let withdrawn = hop.withdraw(py);
            pool.fail_orphans(py, &error);
            if withdrawn {
                return Err(error);
            }
        }
        Ok((hop, future))
    }

    /// The pool that `executor` stands for, if nothing of it is overridden.
    fn native_pool(
        &self,
        py: Python<'_>,
        executor: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Arc<Shared>>> {
        let own = imports(py)?.pool_class.bind(py);
        if !executor.get_type().is(&*own) {
            return Ok(None);
        }
        executor.cast::<ThreadPool>()?.get().shared(py).map(Some)
    }
}

/// `run_in_executor()`: the short way for nalsil's own pools, the long one for all others.
struct RunInExecutor;

impl Method for RunInExecutor {
    type This = EventLoop;
    const NAME: &'static CStr = c"run_in_executor";
    const DOC: &'static CStr = c"run_in_executor($self, executor, func, *args)\n--\n\n\
        Run func(*args) in an executor, None being the default one, and return a future.\n\n\
        Context variables are carried into nalsil's own pools. Raises RuntimeError if the loop is\n\
        closed or the executor was shut down, TypeError if func is a coroutine or a coroutine\n\
        function, or not callable.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        this.check_open()?;
        let event_loop = call.receiver::<EventLoop>().to_owned();
        let pool = match call.get(0) {
            _ if call.has_keywords() || this.is_debug() => None,
            None => None,
            Some(executor) if executor.is_none() => this.default_pool(py),
            Some(executor) => this.native_pool(py, &executor)?,
        };
        let Some(pool) = pool.filter(|_| call.len() > 1) else {
            return long_way(&event_loop, call);
        };
        let callback = call.job("run_in_executor", 1)?;
        let context = pool.context(py)?;
        this.hop(&event_loop, &pool, callback, true, context).map(|(_, future)| future)
    }
}

/// Every check, and executors of all kinds, in Python.
fn long_way(event_loop: &Bound<'_, EventLoop>, call: &Call<'_, '_>) -> PyResult<Obj> {
    let py = call.py();
    let arguments: Vec<_> = (0..call.len()).filter_map(|index| call.get(index)).collect();
    let keywords = call.keyword_dict()?;
    let keywords = keywords.as_ref().map(|keywords| keywords.bind(py).to_owned());
    let keywords = keywords.as_ref().map(|keywords| keywords.cast()).transpose()?;
    event_loop
        .call_method(intern!(py, "_run_in_executor"), PyTuple::new(py, arguments)?, keywords)
        .map(Obj::from)
}

struct HopTo;

impl Method for HopTo {
    type This = EventLoop;
    const NAME: &'static CStr = c"_hop_to";
    const DOC: &'static CStr = c"_hop_to($self, pool, func, *args)\n--\n\n\
        run_in_executor() for one of nalsil's pools, after the checks.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        let event_loop = call.receiver::<EventLoop>().to_owned();
        let pool = match call.get(0) {
            Some(pool) => pool.cast::<ThreadPool>()?.get().shared(py)?,
            None => return Err(PyTypeError::new_err("_hop_to() wants a pool")),
        };
        let callback = call.job("run_in_executor", 1)?;
        let context = pool.context(py)?;
        this.hop(&event_loop, &pool, callback, true, context).map(|(_, future)| future)
    }
}

struct StartHop;

impl Method for StartHop {
    type This = EventLoop;
    const NAME: &'static CStr = c"_start_hop";
    const DOC: &'static CStr = c"_start_hop($self, cancellable, context, func, *args)\n--\n\n\
        Give func(*args) to the default pool. Return (future, job), or None without such a pool.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        this.check_open()?;
        let event_loop = call.receiver::<EventLoop>().to_owned();
        let Some(pool) = this.default_pool(py) else { return Ok(Obj::none(py)) };
        let cancellable = call.get(0).map_or(Ok(true), |value| value.is_truthy())?;
        let context = match call.get(1).filter(|context| !context.is_none()) {
            Some(context) => Obj::from(context),
            None => copy_context(py)?,
        };
        let callback = call.job("to_thread", 2)?;
        let (hop, future) = this.hop(&event_loop, &pool, callback, cancellable, Some(context))?;
        let job = Bound::new(py, HopHandle(hop))?;
        Ok(Obj::from(PyTuple::new(py, [future.into_bound(py), job.into_any()])?))
    }
}

/// The methods of the loop that stand here.
pub const RUN_IN_EXECUTOR: [MethodDef; 3] =
    [method::<RunInExecutor>(), method::<HopTo>(), method::<StartHop>()];

/// See [`super::prepare`].
pub fn prepare(py: Python<'_>) {
    py.get_type::<HopHandle>();
}

/// What `nalsil.to_thread()` holds of its job.
#[pyclass(frozen, module = "nalsil._nalsil")]
pub struct HopHandle(Arc<Hop>);

#[pymethods]
impl HopHandle {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut visit = Visit::pyo3(visit);
        // As long as others hold the job, what it holds is reachable.
        if Arc::strong_count(&self.0) == 1 {
            visit.object(&self.0.event_loop);
            visit.object(&self.0.future);
        }
        visit.outcome()
    }

    /// Drop the job if it has not begun, and return True; ask it to stop if it has.
    fn cancel(&self, py: Python<'_>) -> bool {
        let hop = &self.0;
        let withdrawn = hop.withdraw(py);
        if withdrawn {
            hop.pool.note_cancelled(py);
        } else {
            hop.state.with(py, |state| state.cancel_requested = true);
        }
        withdrawn
    }

    /// Return a future that is done when the job has ended, or None if it has.
    fn ended<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let event_loop = self.0.event_loop.bind(py);
        let event_loop = event_loop.cast::<EventLoop>()?;
        let watcher = event_loop.get().new_future(&event_loop.to_owned().into_any())?;
        let (old, ended) = self.0.state.with(py, |state| {
            if state.stage == Stage::Ended && state.outcome.is_none() {
                return (None, true);
            }
            (state.watcher.replace(Obj::from(&watcher)), false)
        });
        drop(old);
        Ok((!ended).then_some(watcher))
    }
}

/// Raise asyncio.CancelledError if who waits for the running job has cancelled it.
///
/// Raises RuntimeError outside of a job of a nalsil pool.
#[pyfunction]
pub fn check_cancelled(py: Python<'_>) -> PyResult<()> {
    let asked = match current_job(py) {
        Some(Work::Future(future)) => future.cancel_requested(py),
        Some(Work::Hop(hop)) => hop.cancel_requested(py)?,
        None => {
            return Err(PyRuntimeError::new_err(
                "check_cancelled() works only in a job of a nalsil pool; hint: start it with \
                 nalsil.to_thread() or ThreadPoolExecutor.submit()",
            ));
        }
    };
    if asked {
        let class = imports(py)?.cancelled_error.bind(py);
        return Err(PyErr::from_value(class.call1(("the job was cancelled",))?));
    }
    Ok(())
}

/// The loop that awaits the running job.
///
/// # Errors
///
/// `RuntimeError` outside of such a job.
pub fn loop_of_job<'py>(py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
    match current_job(py) {
        Some(Work::Hop(hop)) => Ok(hop.event_loop(py)),
        _ => Err(not_in_a_job(function)),
    }
}
