//! `call_soon` and its kin, and the making of futures and tasks.

use super::handle::{Handle, Pending, ThreadSafeHandle, TimerHandle};
use super::{EventLoop, Ready};
use crate::capi::intern;
use crate::capi::{self, Call, Instance, Method, MethodDef, Obj, copy_context, method};
use crate::imports::imports;
use nalsil_driver::sys::time::monotonic;
use pyo3::Borrowed;
use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString, PyTuple};
use std::ffi::CStr;

/// Whether this Python's asyncio has handles that several threads may touch.
pub const HAS_THREAD_SAFE_HANDLES: bool = cfg!(Py_3_14);

pub fn methods() -> Vec<MethodDef> {
    vec![
        method::<CallSoon>(),
        method::<CallSoonThreadsafe>(),
        method::<CallLater>(),
        method::<CallAt>(),
        method::<Time>(),
        method::<CreateFuture>(),
        method::<CreateTask>(),
    ]
}

impl EventLoop {
    /// Refuses what debug mode refuses.
    #[cold]
    fn check_callback(&self, call: &Call<'_, '_>, function: &str, first: usize) -> PyResult<()> {
        let (py, imports) = (call.py(), imports(call.py())?);
        let Some(callback) = call.get(first) else { return Ok(()) };
        let is_coroutine = imports.iscoroutine.bind(py).call1((callback,))?.is_truthy()?
            || imports.iscoroutinefunction.bind(py).call1((callback,))?.is_truthy()?;
        if is_coroutine {
            return Err(PyTypeError::new_err(format!(
                "coroutines cannot be used with {function}()"
            )));
        }
        Ok(())
    }

    /// A handle's content, from the arguments of a call.
    #[inline]
    fn pending(
        &self,
        call: &Call<'_, '_>,
        function: &str,
        first: usize,
        own_thread: bool,
    ) -> PyResult<Pending> {
        let py = call.py();
        self.check_open()?;
        if self.is_debug() {
            if own_thread {
                self.check_thread()?;
            }
            self.check_callback(call, function, first)?;
        }
        let context = call.keyword(function, intern!(py, "context"))?;
        let callback = call.callback(function, first)?;
        let context = match context.filter(|context| !context.is_none()) {
            Some(context) => Obj::from(context),
            None => copy_context(py)?,
        };
        Pending::new(&this_loop(call), callback, context)
    }
}

fn this_loop<'a, 'py>(call: &Call<'a, 'py>) -> Borrowed<'a, 'py, EventLoop> {
    call.receiver::<EventLoop>()
}

struct CallSoon;

impl Method for CallSoon {
    type This = EventLoop;
    const NAME: &'static CStr = c"call_soon";
    const DOC: &'static CStr = c"call_soon($self, callback, *args, context=None)\n--\n\n\
        Run callback(*args) in the next turn of the loop, in the order of the calls.\n\n\
        Returns an asyncio.Handle. Not thread-safe.";

    #[inline]
    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        let handle = Handle::new(this.pending(call, "call_soon", 0, true)?);
        let handle = Instance::new(py, handle)?;
        this.push(py, Ready::Handle(handle.clone_ref(py)));
        Ok(handle.into_obj())
    }
}

struct CallSoonThreadsafe;

impl Method for CallSoonThreadsafe {
    type This = EventLoop;
    const NAME: &'static CStr = c"call_soon_threadsafe";
    const DOC: &'static CStr =
        c"call_soon_threadsafe($self, callback, *args, context=None)\n--\n\n\
        Like call_soon(), from any thread. Wakes the loop if it sleeps.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        let pending = this.pending(call, "call_soon_threadsafe", 0, false)?;
        let (item, handle) = if HAS_THREAD_SAFE_HANDLES {
            let handle = Instance::new(py, ThreadSafeHandle::new(pending))?;
            (Ready::ThreadSafe(handle.clone_ref(py)), handle.into_obj())
        } else {
            let handle = Instance::new(py, Handle::new(pending))?;
            (Ready::Handle(handle.clone_ref(py)), handle.into_obj())
        };
        if this.runs_here() {
            // Behind what call_soon() has queued in this thread, as the order of calls says.
            this.push(py, item);
        } else {
            this.inbox.push(item);
            // A close() in another thread may have emptied the inbox just before the push.
            if this.is_closed_now() {
                let mut late = Vec::new();
                this.inbox.take(&mut late);
                late.into_iter().for_each(Ready::release);
            }
        }
        Ok(handle)
    }
}

impl EventLoop {
    /// Whether the calling thread runs the loop.
    pub fn runs_here(&self) -> bool {
        self.thread.load(std::sync::atomic::Ordering::Relaxed) == capi::thread_ident()
    }

    fn schedule_at(
        &self,
        call: &Call<'_, '_>,
        function: &str,
        when: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<f64>,
    ) -> PyResult<Obj> {
        let py = call.py();
        let Some(time) = call.get(0) else {
            return Err(PyTypeError::new_err(format!(
                "{function}() missing required argument: 'when' or 'delay'"
            )));
        };
        if time.is_none() {
            return Err(PyTypeError::new_err(format!(
                "{} must not be None",
                if function == "call_at" { "when cannot be None: it" } else { "delay" }
            )));
        }
        let when = when(&time)?;
        if when.is_nan() {
            return Err(PyValueError::new_err(format!("{function}() got nan as a time")));
        }
        let pending = self.pending(call, function, 1, true)?;
        let handle = Instance::new(py, TimerHandle::new(pending, when))?;
        let item = Ready::Timer(handle.clone_ref(py));
        // Minus infinity is due like any time that is past.
        self.state(py, |state| state.core.push_timer(when.max(f64::MIN), item));
        Ok(handle.into_obj())
    }
}

struct CallLater;

impl Method for CallLater {
    type This = EventLoop;
    const NAME: &'static CStr = c"call_later";
    const DOC: &'static CStr = c"call_later($self, delay, callback, *args, context=None)\n--\n\n\
        Run callback(*args) when delay seconds have passed, never earlier.\n\n\
        Returns an asyncio.TimerHandle. Equal times keep the order of the calls.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        this.schedule_at(call, "call_later", |delay| Ok(monotonic() + delay.extract::<f64>()?))
    }
}

struct CallAt;

impl Method for CallAt {
    type This = EventLoop;
    const NAME: &'static CStr = c"call_at";
    const DOC: &'static CStr = c"call_at($self, when, callback, *args, context=None)\n--\n\n\
        Like call_later(), at the second `when` of loop.time().";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        this.schedule_at(call, "call_at", |when| when.extract::<f64>())
    }
}

struct Time;

impl Method for Time {
    type This = EventLoop;
    const NAME: &'static CStr = c"time";
    const DOC: &'static CStr = c"time($self)\n--\n\n\
        Return the second of the loop's clock, which is time.monotonic().";

    fn call(_this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("time")?;
        Ok(Obj::from(PyFloat::new(call.py(), monotonic())))
    }
}

/// A class by its name in a module of asyncio's. It is looked up each time, as asyncio does it:
/// programs that put a class of their own there get it.
fn class_named<'py>(
    names: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = names.cast::<PyDict>()?.get_item(name)?;
    class.ok_or_else(|| PyAttributeError::new_err(format!("asyncio has no class `{name}`")))
}

fn task_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    class_named(&imports(py)?.task_names.bind(py), intern!(py, "Task"))
}

impl EventLoop {
    /// `{"loop": self}`. Made once: the constructors of futures and tasks only read it.
    fn loop_keyword<'py>(&self, this: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = this.py();
        let made = self
            .loop_keyword
            .with(py, |keyword| keyword.as_ref().map(|keyword| keyword.clone_ref(py)));
        if let Some(keyword) = made {
            return Ok(keyword.into_bound(py));
        }
        let keyword = PyDict::new(py);
        keyword.set_item(intern!(py, "loop"), this)?;
        self.loop_keyword.with(py, |place| *place = Some(keyword.clone().unbind()));
        Ok(keyword)
    }

    /// A future of this loop.
    ///
    /// # Errors
    ///
    /// What `asyncio.Future` raises.
    pub fn new_future<'py>(&self, this: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let keyword = self.loop_keyword(this)?;
        let py = this.py();
        let class = class_named(&imports(py)?.future_names.bind(py), intern!(py, "Future"))?;
        class.call((), Some(&keyword))
    }
}

struct CreateFuture;

impl Method for CreateFuture {
    type This = EventLoop;
    const NAME: &'static CStr = c"create_future";
    const DOC: &'static CStr = c"create_future($self)\n--\n\n\
        Return an asyncio.Future of this loop.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("create_future")?;
        this.new_future(&call.this()).map(Obj::from)
    }
}

struct CreateTask;

impl Method for CreateTask {
    type This = EventLoop;
    const NAME: &'static CStr = c"create_task";
    const DOC: &'static CStr = c"create_task($self, coro, **kwargs)\n--\n\n\
        Run a coroutine as a task and return the task.\n\n\
        name, context and, where Python has it, eager_start go to the task or the task factory.";

    fn call(this: &EventLoop, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        this.check_open()?;
        let coroutine = match (call.len(), call.get(0)) {
            (1, Some(coroutine)) => coroutine.to_owned(),
            (0, _) => match call.keyword_named(intern!(py, "coro"))? {
                Some(coroutine) => coroutine.to_owned(),
                None => {
                    return Err(PyTypeError::new_err(
                        "create_task() missing required argument: 'coro'",
                    ));
                }
            },
            (given, _) => {
                return Err(PyTypeError::new_err(format!(
                    "create_task() takes 1 positional argument but {given} were given"
                )));
            }
        };
        let factory = this
            .task_factory
            .with(py, |factory| factory.as_ref().map(|factory| factory.clone_ref(py)));
        let task = match factory {
            Some(factory) => this.task_of_factory(call, factory.bind(py), &coroutine)?,
            None => this.plain_task(call, coroutine)?,
        };
        Ok(Obj::from(task))
    }
}

impl EventLoop {
    /// A task of `coroutine` in `context`, begun at once where Python can do that.
    ///
    /// # Errors
    ///
    /// What the task factory or `asyncio.Task` raises.
    pub fn task_in<'py>(
        &self,
        this: &Bound<'py, EventLoop>,
        context: &Bound<'py, PyAny>,
        coroutine: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "context"), context)?;
        let has_factory = self.task_factory.with(py, |factory| factory.is_some());
        if has_factory || py.version_info() < (3, 12) {
            let create = intern!(py, "create_task");
            return this.call_method(create, (coroutine,), Some(&keywords));
        }
        keywords.set_item(intern!(py, "loop"), this)?;
        keywords.set_item(intern!(py, "eager_start"), true)?;
        task_class(py)?.call((coroutine,), Some(&keywords))
    }

    fn plain_task<'py>(
        &self,
        call: &Call<'_, 'py>,
        coroutine: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = call.py();
        let mut keywords = self.loop_keyword(&call.this())?;
        if call.has_keywords() {
            keywords = keywords.copy()?;
            for (name, value) in call.keywords() {
                if !name.eq(intern!(py, "coro"))? {
                    keywords.set_item(name, value)?;
                }
            }
        }
        task_class(py)?.call(PyTuple::new(py, [coroutine])?, Some(&keywords))
    }

    /// A task of the user's factory. `name` stays out of the call where that Python's asyncio sets
    /// it afterwards, because its factories do not take one.
    fn task_of_factory<'py>(
        &self,
        call: &Call<'_, 'py>,
        factory: &Bound<'py, PyAny>,
        coroutine: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = call.py();
        let keywords = PyDict::new(py);
        let mut name = None;
        let passes_name = py.version_info() >= (3, 13, 3);
        for (keyword, value) in call.keywords() {
            if keyword.eq(intern!(py, "coro"))? {
                continue;
            }
            if !passes_name && keyword.eq(intern!(py, "name"))? {
                name = Some(value);
            } else if !(value.is_none() && keyword.eq(intern!(py, "context"))?) {
                keywords.set_item(keyword, value)?;
            }
        }
        let keywords = (!keywords.is_empty()).then_some(keywords);
        let task = factory.call((call.this(), coroutine), keywords.as_ref())?;
        if let Some(name) = name.filter(|name| !name.is_none()) {
            // Factories may return futures of other kinds, which have no name.
            if let Ok(set_name) = task.getattr(intern!(py, "set_name")) {
                set_name.call1((name,))?;
            }
        }
        Ok(task)
    }
}

#[pymethods]
impl EventLoop {
    /// Set the factory that create_task() uses, or None for asyncio.Task.
    #[pyo3(signature = (factory, /))]
    fn set_task_factory(slf: &Bound<'_, Self>, factory: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        if factory.as_ref().is_some_and(|factory| !factory.is_callable()) {
            return Err(PyTypeError::new_err("task factory must be a callable or None"));
        }
        let factory = factory.map(Bound::unbind);
        drop(slf.get().task_factory.with(slf.py(), |place| std::mem::replace(place, factory)));
        Ok(())
    }

    /// Return the factory that create_task() uses, or None.
    fn get_task_factory(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        let py = slf.py();
        slf.get().task_factory.with(py, |factory| factory.as_ref().map(|f| f.clone_ref(py)))
    }
}
