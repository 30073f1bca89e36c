//! Calls from threads into a loop.

use super::future::{Delivery, Future, outcome_of};
use super::hop::loop_of_job;
use super::now;
use super::wait::{self, ThreadParker};
use super::worker::{self, deadlock};
use crate::capi::intern;
use crate::capi::{
    Call, Callback, Instance, Method, MethodDef, Obj, call_method, check_job, copy_context, method,
    run_in,
};
use crate::errors;
use crate::event_loop::{EventLoop, Ready};
use crate::imports::imports;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::ffi::CStr;

/// What the function may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A function, or a coroutine function, whose coroutine then runs as a task.
    Any,
    /// A function: what it returns is the result, whatever it is.
    Plain,
    /// A coroutine function.
    Coroutine,
}

/// A call on its way into a loop.
pub struct CallFromThread {
    future: Instance<Future>,
    callback: Callback,
    context: Obj,
    kind: Kind,
}

fn new_future(py: Python<'_>) -> PyResult<Instance<Future>> {
    let class = imports(py)?.future_class.bind(py);
    Instance::new_of(&*class.cast::<PyType>()?, Future::new())
}

impl CallFromThread {
    /// Makes the call, in the loop's thread.
    ///
    /// # Errors
    ///
    /// What ends the run.
    pub fn run(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        if self.future.is_stale() {
            // It was cancelled on the way.
            return Ok(());
        }
        let context = self.context.bind(py).to_owned();
        let called = run_in(py, &context, || {
            let result = self.callback.invoke(py, None)?;
            Ok(result.unwrap_or_else(|| py.None().into_bound(py)))
        });
        let outcome = called.and_then(|value| self.follow_coroutine(event_loop, &context, value));
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(value)) => {
                let bound = self.future.bind(py).to_owned();
                let result = Ok(Obj::from(value));
                let delivery = event_loop.get().delivery(py);
                self.future.finish(&bound, result, delivery, now()).map(drop)
            }
            Err(error) => {
                let ends = errors::ends_the_run(py, &error);
                let again = error.clone_ref(py);
                let bound = self.future.bind(py).to_owned();
                let failed = outcome_of(py, Err(error));
                self.future.finish(&bound, failed, event_loop.get().delivery(py), now())?;
                if ends { Err(again) } else { Ok(()) }
            }
        }
    }

    /// Runs a coroutine as a task. A value that is none comes back.
    fn follow_coroutine<'py>(
        &self,
        event_loop: &Bound<'py, EventLoop>,
        context: &Bound<'py, PyAny>,
        value: Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = event_loop.py();
        let imports = imports(py)?;
        let is_coroutine = self.kind != Kind::Plain
            && imports.iscoroutine.bind(py).call1((&value,))?.is_truthy()?;
        if !is_coroutine {
            if self.kind == Kind::Coroutine {
                return Err(PyTypeError::new_err(format!(
                    "from_thread.run() wants a coroutine function, but the call returned {}; hint: \
                     use from_thread.run_sync() for a plain function",
                    value.get_type()
                )));
            }
            return Ok(Some(value));
        }
        let task = event_loop.get().task_in(event_loop, context, value)?;
        if call_method(&task, intern!(py, "done"), [])?.is_truthy()? {
            follow(py, &self.future, &task)?;
            return Ok(None);
        }
        let canceller =
            Canceller { event_loop: event_loop.clone().unbind(), task: task.clone().unbind() };
        let canceller = Obj::from(Bound::new(py, canceller)?);
        if !self.future.set_canceller(py, canceller) {
            call_method(&task, intern!(py, "cancel"), [])?;
        }
        event_loop.get().keep_call(py, &self.future);
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "context"), context)?;
        let follow = self.future.bind(py).getattr(intern!(py, "_follow"))?;
        task.call_method(intern!(py, "add_done_callback"), (follow,), Some(&keywords))?;
        Ok(None)
    }

    /// What is called, for reports.
    pub fn callable<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.callback.callable(py)
    }

    /// The loop will never make the call.
    pub fn refuse(self, py: Python<'_>) {
        refuse(py, &self.future);
    }
}

/// Ends the wait for a call that a closed loop will not end.
pub fn refuse(py: Python<'_>, future: &Instance<Future>) {
    let error = PyRuntimeError::new_err("Event loop is closed");
    let bound = future.bind(py).to_owned();
    let failed = outcome_of(py, Err(error));
    if let Err(error) = future.finish(&bound, failed, Delivery::Now, now()) {
        error.write_unraisable(py, None);
    }
}

/// Ends `future` as `task` has ended.
///
/// # Errors
///
/// What the task raises when it is asked.
pub fn follow(py: Python<'_>, future: &Instance<Future>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    let bound = future.bind(py).to_owned();
    let event_loop = call_method(task, intern!(py, "get_loop"), [])?;
    let delivery = match event_loop.cast::<EventLoop>() {
        Ok(event_loop) => {
            event_loop.get().forget_call(py, future);
            event_loop.get().delivery(py)
        }
        Err(_) => Delivery::Now,
    };
    if call_method(task, intern!(py, "cancelled"), [])?.is_truthy()? {
        return future.follow_cancellation(&bound, delivery);
    }
    let error = call_method(task, intern!(py, "exception"), [])?;
    let outcome = if error.is_none() {
        Ok(Obj::from(call_method(task, intern!(py, "result"), [])?))
    } else {
        Err(Obj::from(error))
    };
    future.finish(&bound, outcome, delivery, now()).map(drop)
}

/// See [`super::prepare`].
pub fn prepare(py: Python<'_>) {
    py.get_type::<Canceller>();
}

/// Cancels a task from any thread.
#[pyclass(frozen, module = "nalsil._nalsil")]
struct Canceller {
    event_loop: Py<EventLoop>,
    task: Py<PyAny>,
}

#[pymethods]
impl Canceller {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        if self.event_loop.get().is_closed_now() {
            return Ok(());
        }
        let cancel = self.task.bind(py).getattr(intern!(py, "cancel"))?;
        let soon = intern!(py, "call_soon_threadsafe");
        self.event_loop.bind(py).call_method1(soon, (cancel,)).map(drop)
    }
}

/// The blocked wait for which the running context works, or zero.
///
/// # Errors
///
/// What the variable raises.
pub fn needed_by(py: Python<'_>) -> PyResult<u64> {
    call_method(&imports(py)?.waits_for.bind(py), intern!(py, "get"), [])?.extract()
}

fn check_target(event_loop: &Bound<'_, EventLoop>, function: &str) -> PyResult<()> {
    let this = event_loop.get();
    this.check_open()?;
    if this.runs_here() {
        return Err(PyRuntimeError::new_err(format!(
            "{function} was called in the loop's own thread, which would wait for itself; hint: \
             await the coroutine, or call the function"
        )));
    }
    Ok(())
}

/// Sends the call, without waking the loop: the waker does.
fn send(
    event_loop: &Bound<'_, EventLoop>,
    kind: Kind,
    callback: Callback,
    context: Obj,
) -> PyResult<(Instance<Future>, std::task::Waker)> {
    let py = event_loop.py();
    let future = new_future(py)?;
    let call = CallFromThread { future: future.clone_ref(py), callback, context, kind };
    let waker = event_loop.get().send_quietly(py, Ready::Call(Box::new(call)));
    Ok((future, waker))
}

/// Makes the call and waits for its end.
fn call_and_wait(
    event_loop: &Bound<'_, EventLoop>,
    kind: Kind,
    callback: Callback,
) -> PyResult<Obj> {
    let py = event_loop.py();
    let context = copy_context(py)?;
    let variable = imports(py)?.waits_for.bind(py).to_owned();
    let blocked = match worker::current() {
        Some(own) => Some(own.begin_blocking(py)?),
        None => None,
    };
    if let Some(blocked) = &blocked {
        let set = run_in(py, &context.bind(py).to_owned(), || {
            variable.call_method1(intern!(py, "set"), (blocked.id,)).map(drop)
        });
        // Only memory can be missing, and then the wait is as good without its name.
        if let Err(error) = set {
            error.write_unraisable(py, None);
        }
    }
    // Before the call is sent: what it needs may turn out to be hopeless as soon as it runs.
    if let Some(blocked) = &blocked {
        blocked.set_waker(py, ThreadParker::of_this_thread().waker());
    }
    let sent = send(event_loop, kind, callback, context);
    let waited = sent.and_then(|(future, waker)| {
        wait::put_off(waker);
        let hopeless = || blocked.as_ref().is_some_and(worker::Blocked::is_hopeless);
        let waited = future.wait_unless(py, hopeless);
        wait::flush(py);
        match waited {
            Ok(true) => future.outcome(py),
            other => {
                // Nobody waits any more: for a signal, or because it is hopeless.
                call_method(&future.bind(py), intern!(py, "cancel"), [])?;
                match (other, worker::current()) {
                    (Err(error), _) => Err(error),
                    (Ok(_), Some(own)) => Err(deadlock(
                        py,
                        "every worker of the pool, and every one that may stand in, waits for a \
                         job that none is left to run",
                        &own.shared,
                    )),
                    (Ok(_), None) => Ok(Obj::none(py)),
                }
            }
        }
    });
    if let Some(blocked) = blocked {
        blocked.end(py);
    }
    waited
}

struct CallIn;

impl Method for CallIn {
    type This = EventLoop;
    const NAME: &'static CStr = c"_call_from_thread";
    const DOC: &'static CStr = c"_call_from_thread($self, func, *args)\n--\n\n\
        Run a function or coroutine function in the loop, from another thread, and return its result.";

    fn call(_this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let event_loop = call.receiver::<EventLoop>();
        check_target(&event_loop, "Portal.call()")?;
        let callback = call.callback("call", 0)?;
        call_and_wait(&event_loop, Kind::Any, callback)
    }
}

struct SubmitIn;

impl Method for SubmitIn {
    type This = EventLoop;
    const NAME: &'static CStr = c"_submit_from_thread";
    const DOC: &'static CStr = c"_submit_from_thread($self, func, *args)\n--\n\n\
        Run a function or coroutine function in the loop, from another thread. Return a nalsil.Future.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let event_loop = call.receiver::<EventLoop>();
        this.check_open()?;
        let callback = call.callback("submit", 0)?;
        let context = copy_context(call.py())?;
        let (future, waker) = send(&event_loop, Kind::Any, callback, context)?;
        waker.wake();
        Ok(future.into_obj())
    }
}

/// The methods of the loop that stand here.
pub const PORTAL: [MethodDef; 2] = [method::<CallIn>(), method::<SubmitIn>()];

fn from_job(
    py: Python<'_>,
    function: &str,
    kind: Kind,
    callable: &Bound<'_, PyAny>,
    arguments: &Bound<'_, pyo3::types::PyTuple>,
) -> PyResult<Obj> {
    let event_loop = loop_of_job(py, function)?;
    let event_loop = event_loop.cast::<EventLoop>()?;
    match kind {
        Kind::Coroutine if !callable.is_callable() => {
            return Err(PyTypeError::new_err(format!(
                "{function}() wants a coroutine function, got {}; hint: pass the function and its \
                 arguments without calling it",
                callable.repr()?
            )));
        }
        Kind::Coroutine => {}
        _ => check_job(callable, function).map_err(|error| {
            if callable.is_callable() {
                PyTypeError::new_err(format!(
                    "{function}() wants a plain function, got the coroutine function {callable}; \
                     hint: `from_thread.run` runs coroutine functions"
                ))
            } else {
                error
            }
        })?,
    }
    check_target(event_loop, &format!("{function}()"))?;
    call_and_wait(event_loop, kind, Callback::new(callable, arguments)?)
}

/// Run a coroutine function as a task of the loop that awaits this job, and return its result.
#[pyfunction]
#[pyo3(signature = (coro_fn, /, *args))]
pub fn run_from_thread<'py>(
    py: Python<'py>,
    coro_fn: &Bound<'py, PyAny>,
    args: &Bound<'py, pyo3::types::PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    from_job(py, "from_thread.run", Kind::Coroutine, coro_fn, args).map(|obj| obj.into_bound(py))
}

/// Run a function in the thread of the loop that awaits this job, and return its result.
#[pyfunction]
#[pyo3(signature = (fn_, /, *args))]
pub fn run_sync_from_thread<'py>(
    py: Python<'py>,
    fn_: &Bound<'py, PyAny>,
    args: &Bound<'py, pyo3::types::PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    from_job(py, "from_thread.run_sync", Kind::Plain, fn_, args).map(|obj| obj.into_bound(py))
}
