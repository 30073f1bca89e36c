//! The face of a future towards Python: its methods, and the attributes that the standard library
//! reads and tests write.

use super::{Future, STAGES, Stage, State, call_back};
use crate::capi::{
    Attribute, BodyOf, Call, ClassCell, Getter, Method, MethodDef, Native, Obj, Visit, attribute,
    getter, instance_getter, method,
};
use crate::imports::imports;
use crate::pool::portal;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyType};
use std::ffi::CStr;
use std::task::Waker;

macro_rules! future_methods {
    ($($name:ident($pyname:literal, $doc:literal) |$body:ident, $call:ident| $do:expr;)+) => {
        $(
            struct $name;

            impl Method for $name {
                type This = BodyOf<Future>;
                const NAME: &'static CStr = $pyname;
                const DOC: &'static CStr = $doc;

                #[inline]
                fn call($body: &BodyOf<Future>, $call: &Call<'_, '_>) -> PyResult<Obj> {
                    $do
                }
            }
        )+

        fn all_methods() -> Vec<MethodDef> {
            vec![$(method::<$name>()),+]
        }
    };
}

fn boolean(py: Python<'_>, value: bool) -> Obj {
    Obj::from(pyo3::types::PyBool::new(py, value).to_owned().into_any())
}

future_methods! {
    Cancel(c"cancel", c"cancel($self)\n--\n\nCancel the job unless it runs or is done; tell a running one.\n\n\
        Returns False if it runs or is done. A running job sees the wish in check_cancelled().") |body, call| {
        call.exactly::<0>("cancel")?;
        body.cancel(&call.this()).map(|cancelled| boolean(call.py(), cancelled))
    };
    Cancelled(c"cancelled", c"cancelled($self)\n--\n\nReturn True if the job was cancelled before it ran.") |body, call| {
        call.exactly::<0>("cancelled")?;
        Ok(boolean(call.py(), body.stage(call.py()).is_cancelled()))
    };
    RunningNow(c"running", c"running($self)\n--\n\nReturn True while the job runs.") |body, call| {
        call.exactly::<0>("running")?;
        Ok(boolean(call.py(), body.stage(call.py()) == Stage::Running))
    };
    Done(c"done", c"done($self)\n--\n\nReturn True if the job has ended or was cancelled.") |body, call| {
        call.exactly::<0>("done")?;
        Ok(boolean(call.py(), body.stage(call.py()).is_done()))
    };
    Result_(c"result", c"result($self, timeout=None)\n--\n\nWait for the result and return it, or raise what the job raised.\n\n\
        timeout is in seconds. Raises TimeoutError when it is over, concurrent.futures.CancelledError\n\
        if the job was cancelled. A worker that waits for a queued job of its own pool runs it.") |body, call| {
        match body.waited(call, "result")? {
            Ok(result) => Ok(result),
            Err(error) => Err(PyErr::from_value(error.into_bound(call.py()))),
        }
    };
    Exception(c"exception", c"exception($self, timeout=None)\n--\n\nWait for the end and return what the job raised, or None.\n\n\
        Raises as result() does, for want of time and for a cancelled job.") |body, call| {
        let outcome = body.waited(call, "exception")?;
        Ok(outcome.err().unwrap_or_else(|| Obj::none(call.py())))
    };
    AddDoneCallback(c"add_done_callback", c"add_done_callback($self, fn, /)\n--\n\nCall fn(future) at the end, or at once if that is past.\n\n\
        What it raises is logged to the logger \"concurrent.futures\".") |body, call| {
        let py = call.py();
        let [callback] = call.optional("add_done_callback", ["fn"])?;
        let callback = callback.ok_or_else(|| PyTypeError::new_err(
            "add_done_callback() missing required argument: 'fn'"))?;
        let waits = body.change(&call.this(), |state| {
            if state.stage.is_done() {
                return None;
            }
            state.rare().callbacks.push(Obj::from(callback));
            Some(())
        }, None)?;
        if waits.is_none() {
            call_back(py, &Obj::from(callback), &call.this());
        }
        Ok(Obj::none(py))
    };
    SetRunning(c"set_running_or_notify_cancel", c"set_running_or_notify_cancel($self)\n--\n\nBegin: return True, or False if the future was cancelled. For executors and tests.") |body, call| {
        let (py, this) = (call.py(), call.this());
        call.exactly::<0>("set_running_or_notify_cancel")?;
        let begun = body.change(&this, |state| match state.stage {
            Stage::Pending => { state.stage = Stage::Running; Some(()) }
            _ => None,
        }, None)?;
        if begun.is_some() {
            return Ok(boolean(py, true));
        }
        let told = body.change(&this, |state| match state.stage {
            Stage::Cancelled => { state.stage = Stage::CancelledAndNotified; Some(()) }
            _ => None,
        }, Some("add_cancelled"))?;
        if told.is_some() {
            return Ok(boolean(py, false));
        }
        let stage = body.stage(py).name();
        imports(py)?.futures_logger.bind(py).call_method1(
            "critical", ("Future %s in unexpected state: %s", &this, stage))?;
        Err(pyo3::exceptions::PyRuntimeError::new_err(format!("Future in unexpected state: {stage}")))
    };
    SetResult(c"set_result", c"set_result($self, result, /)\n--\n\nEnd with a result. For executors and tests.") |body, call| {
        let [result] = call.optional("set_result", ["result"])?;
        let result = result.ok_or_else(|| PyTypeError::new_err(
            "set_result() missing required argument: 'result'"))?;
        body.set(call, Ok(Obj::from(result)))
    };
    SetException(c"set_exception", c"set_exception($self, exception, /)\n--\n\nEnd with an exception. For executors and tests.") |body, call| {
        let [exception] = call.optional("set_exception", ["exception"])?;
        let exception = exception.ok_or_else(|| PyTypeError::new_err(
            "set_exception() missing required argument: 'exception'"))?;
        body.set(call, if exception.is_none() { Ok(Obj::from(exception)) } else { Err(Obj::from(exception)) })
    };
    Snapshot(c"_get_snapshot", c"Return (done, cancelled, result, exception) at one moment.") |body, call| {
        let py = call.py();
        let (stage, outcome) = body.state.with(py, |state| (state.stage, state.outcome(py)));
        let (mut result, mut error) = (Obj::none(py), Obj::none(py));
        match outcome {
            Some(Ok(found)) => result = found,
            Some(Err(found)) => error = found,
            None => {}
        }
        let snapshot = (
            stage.is_done(), stage.is_cancelled(), result.into_bound(py), error.into_bound(py),
        );
        Ok(Obj::from(snapshot.into_pyobject(py)?))
    };
    Follow(c"_follow", c"End as the given asyncio task or future has ended.") |body, call| {
        let (py, [task]) = (call.py(), call.exactly::<1>("_follow")?);
        portal::follow(py, &call.instance::<Future>(), &task)?;
        let _ = body;
        Ok(Obj::none(py))
    };
}

/// Makes the condition and the list of waiters if they are not there.
fn observed(this: &Future, py: Python<'_>) -> PyResult<(Obj, Obj)> {
    let known = |state: &mut State| {
        let rare = state.rare.as_ref()?;
        Some((rare.condition.as_ref()?.clone_ref(py), rare.waiters.as_ref()?.clone_ref(py)))
    };
    if let Some(known) = this.state.with(py, known) {
        return Ok(known);
    }
    let made = (Obj::from(imports(py)?.condition.bind(py).call0()?), Obj::from(PyList::empty(py)));
    let mut spare = None;
    let found = this.state.with(py, |state| {
        if let Some(known) = known(state) {
            // Another thread was faster.
            spare = Some((made.0.clone_ref(py), made.1.clone_ref(py)));
            return known;
        }
        let rare = state.rare();
        rare.condition = Some(made.0.clone_ref(py));
        rare.waiters = Some(made.1.clone_ref(py));
        (made.0.clone_ref(py), made.1.clone_ref(py))
    });
    drop(spare);
    Ok(found)
}

struct StateName;

impl Attribute for StateName {
    type Of = Future;
    const NAME: &'static CStr = c"_state";

    fn get(this: &Future, py: Python<'_>) -> PyResult<Obj> {
        Ok(Obj::from(PyString::new(py, this.stage(py).name())))
    }

    fn set(this: &Future, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name: String = value.extract()?;
        let stage = STAGES.iter().find(|(_, known)| *known == name);
        let (stage, _) = stage.ok_or_else(|| {
            PyValueError::new_err(format!("`_state` must be one of asyncio's names, got {name:?}"))
        })?;
        let after = this.state.with(value.py(), |state| {
            state.stage = *stage;
            stage.is_done().then(|| state.parked())
        });
        // Who sets this by hand holds the condition and notifies it; see `settle()`.
        after.into_iter().flatten().for_each(Waker::wake);
        Ok(())
    }
}

/// The result, if `result`, or the exception.
fn half(this: &Future, py: Python<'_>, result: bool) -> Obj {
    let outcome = this.state.with(py, |state| state.outcome(py));
    let found = outcome.and_then(|outcome| if result { outcome.ok() } else { outcome.err() });
    found.unwrap_or_else(|| Obj::none(py))
}

fn set_half(this: &Future, value: &Bound<'_, PyAny>, result: bool) {
    let outcome = match (value.is_none(), result) {
        (true, _) => None,
        (false, true) => Some(Ok(Obj::from(value))),
        (false, false) => Some(Err(Obj::from(value))),
    };
    if outcome.is_some() {
        drop(this.state.with(value.py(), |state| std::mem::replace(&mut state.outcome, outcome)));
    }
}

struct ResultOf;

impl Attribute for ResultOf {
    type Of = Future;
    const NAME: &'static CStr = c"_result";

    fn get(this: &Future, py: Python<'_>) -> PyResult<Obj> {
        Ok(half(this, py, true))
    }

    fn set(this: &Future, value: &Bound<'_, PyAny>) -> PyResult<()> {
        set_half(this, value, true);
        Ok(())
    }
}

struct ExceptionOf;

impl Attribute for ExceptionOf {
    type Of = Future;
    const NAME: &'static CStr = c"_exception";

    fn get(this: &Future, py: Python<'_>) -> PyResult<Obj> {
        Ok(half(this, py, false))
    }

    fn set(this: &Future, value: &Bound<'_, PyAny>) -> PyResult<()> {
        set_half(this, value, false);
        Ok(())
    }
}

static FUTURE: ClassCell = ClassCell::new();

impl Native for Future {
    const NAME: &'static CStr = c"nalsil._nalsil.Future";
    const DOC: &'static CStr = c"The native part of nalsil.Future.";
    const CONSTRUCT: Option<fn() -> Self> = Some(Future::new);

    fn cell() -> &'static ClassCell {
        &FUTURE
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.get_type::<PyAny>())
    }

    fn methods() -> Vec<MethodDef> {
        all_methods()
    }

    fn getters() -> Vec<Getter> {
        vec![
            attribute::<StateName>(),
            attribute::<ResultOf>(),
            attribute::<ExceptionOf>(),
            instance_getter::<Future>(c"_condition", |this, py| {
                this.run_if_nobody_else_can(this, py)?;
                Ok(observed(this, py)?.0)
            }),
            getter::<Future>(c"_waiters", |this, py| Ok(observed(this, py)?.1)),
            getter::<Future>(c"_done_callbacks", |this, py| {
                let callbacks = this.state.with(py, |state| {
                    let rare = state.rare.as_ref();
                    rare.map_or_else(Vec::new, |rare| {
                        rare.callbacks.iter().map(|callback| callback.clone_ref(py)).collect()
                    })
                });
                let callbacks = callbacks.into_iter().map(|callback| callback.into_bound(py));
                Ok(Obj::from(PyList::new(py, callbacks.collect::<Vec<_>>())?))
            }),
        ]
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.state.look(|state| {
            if let Some(task) = &state.task {
                task.callback.traverse(visit);
                task.keywords.iter().chain(&task.context).for_each(|object| visit.object(object));
            }
            if let Some(Ok(object) | Err(object)) = &state.outcome {
                visit.object(object);
            }
            if let Some(rare) = &state.rare {
                let single = [&rare.condition, &rare.waiters, &rare.canceller];
                let single = single.into_iter().flatten();
                single.chain(&rare.callbacks).for_each(|object| visit.object(object));
            }
        });
    }

    fn clear(&self) {
        // Called attached, by the collector.
        let gone = self
            .state
            .take_out(|state| (state.task.take(), state.outcome.take(), state.rare.take()));
        drop(gone);
    }
}
