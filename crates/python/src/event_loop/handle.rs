//! `Handle` and `TimerHandle`: callbacks that wait for their turn.

use super::EventLoop;
use super::turn::{Held, Turn};
use crate::capi::{
    BodyOf, Call, Callback, ClassCell, Getter, Instance, Method, MethodDef, Native, Obj, Slot,
    Visit, getter, method, run_in,
};
use crate::errors;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyType};
use std::cell::Cell;
use std::ffi::CStr;

/// What both kinds of handles hold.
pub struct Pending {
    callback: Callback,
    context: Slot,
    event_loop: Slot,
    cancelled: Cell<bool>,
    /// What debug mode remembers.
    debug: Option<Box<Remembered>>,
}

/// What debug mode remembers of a handle.
struct Remembered {
    /// Where it was scheduled.
    source_traceback: Slot,
    /// How it looked before it was cancelled.
    repr: Slot,
}

impl Pending {
    /// A callback that will run in `context`.
    #[inline]
    pub fn new(
        event_loop: &Bound<'_, EventLoop>,
        callback: Callback,
        context: Obj,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        let debug = if event_loop.get().is_debug() { Some(Remembered::now(py)?) } else { None };
        Ok(Pending {
            callback,
            context: Slot::new(context),
            event_loop: Slot::new(event_loop),
            cancelled: Cell::new(false),
            debug,
        })
    }

    fn source_traceback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.debug.as_ref().and_then(|debug| debug.source_traceback.get(py))
    }

    /// Runs the callback in its context. `this` is the handle, for reports.
    ///
    /// # Errors
    ///
    /// An exception that ends the run; every other reaches the loop's exception handler.
    #[inline]
    fn run(&self, py: Python<'_>, this: &Obj) -> PyResult<()> {
        let Some(context) = self.context.get(py) else { return Ok(()) };
        match run_in(py, &context, || self.callback.call(py)) {
            Ok(()) => Ok(()),
            Err(error) => self.report(py, this, error),
        }
    }

    #[cold]
    fn report(&self, py: Python<'_>, this: &Obj, error: PyErr) -> PyResult<()> {
        if errors::ends_the_run(py, &error) {
            return Err(error);
        }
        let Some(event_loop) = self.event_loop.get(py) else { return Err(error) };
        let what = match (self.callback.callable(py), self.callback.arguments(py)?) {
            (Some(callable), arguments) => event_loop
                .call_method1(crate::capi::intern!(py, "_format_callback"), (callable, arguments))?
                .to_string(),
            (None, _) => this.bind(py).repr()?.to_string(),
        };
        let mut more = vec![("handle", this.bind(py).to_owned())];
        if let Some(traceback) = self.source_traceback(py) {
            more.push(("source_traceback", traceback));
        }
        errors::report(&event_loop, &format!("Exception in callback {what}"), error, &more)
    }

    fn cancel(&self, this: &Bound<'_, PyAny>) -> PyResult<bool> {
        if self.cancelled.get() {
            return Ok(false);
        }
        self.cancelled.set(true);
        if let Some(debug) = &self.debug {
            debug.repr.set(this.repr()?);
        }
        self.callback.clear();
        Ok(true)
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.callback.traverse(visit);
        visit.slot(&self.context);
        visit.slot(&self.event_loop);
        if let Some(debug) = &self.debug {
            visit.slot(&debug.source_traceback);
            visit.slot(&debug.repr);
        }
    }

    fn clear(&self) {
        self.callback.clear();
        drop(self.context.take());
        drop(self.event_loop.take());
        if let Some(debug) = &self.debug {
            drop(debug.source_traceback.take());
            drop(debug.repr.take());
        }
    }
}

impl Remembered {
    /// The stack of the Python code that is running.
    #[cold]
    fn now(py: Python<'_>) -> PyResult<Box<Self>> {
        let imports = crate::imports::imports(py)?;
        let frame = imports.get_frame.bind(py).call0()?;
        let stack = imports.extract_stack.bind(py).call1((frame,))?;
        Ok(Box::new(Remembered { source_traceback: Slot::new(stack), repr: Slot::default() }))
    }
}

/// A body with a [`Pending`] in it.
pub trait Scheduled: Native {
    /// What waits.
    fn pending(&self) -> &Pending;

    /// Called when the handle is cancelled for the first time.
    fn on_cancel(&self, _py: Python<'_>) {}

    /// What threads take before they run, cancel or ask the handle. Most handles belong to one
    /// thread, and have none.
    #[inline]
    fn turn(&self) -> Option<&Turn> {
        None
    }

    /// Waits until no other thread runs or cancels the handle, and keeps others waiting.
    ///
    /// # Errors
    ///
    /// What a signal handler raises while this waits.
    #[inline]
    fn take_turn(&self, py: Python<'_>) -> PyResult<Option<Held<'_>>> {
        self.turn().map(|turn| turn.take(py)).transpose()
    }
}

impl<B: Scheduled> Instance<B> {
    /// Whether the handle was cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.pending().cancelled.get()
    }

    /// See [`Pending::run`]. A cancelled handle does nothing.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    #[inline]
    pub fn run(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_cancelled() {
            return Ok(());
        }
        let turn = self.take_turn(py)?;
        // Another thread may have cancelled it meanwhile.
        if turn.is_some() && self.is_cancelled() {
            return Ok(());
        }
        self.pending().run(py, self.object())
    }
}

struct Cancel<B>(std::marker::PhantomData<B>);

impl<B: Scheduled> Method for Cancel<B> {
    type This = BodyOf<B>;
    const NAME: &'static CStr = c"cancel";
    const DOC: &'static CStr = c"Cancel the callback. A second call does nothing.";

    fn call(this: &BodyOf<B>, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("cancel")?;
        let _turn = this.take_turn(call.py())?;
        if this.pending().cancel(&call.this())? {
            this.on_cancel(call.py());
        }
        Ok(Obj::none(call.py()))
    }
}

struct Cancelled<B>(std::marker::PhantomData<B>);

impl<B: Scheduled> Method for Cancelled<B> {
    type This = BodyOf<B>;
    const NAME: &'static CStr = c"cancelled";
    const DOC: &'static CStr = c"Return True if the callback was cancelled.";

    fn call(this: &BodyOf<B>, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("cancelled")?;
        let _turn = this.take_turn(call.py())?;
        Ok(boolean(call.py(), this.pending().cancelled.get()))
    }
}

struct Context<B>(std::marker::PhantomData<B>);

impl<B: Scheduled> Method for Context<B> {
    type This = BodyOf<B>;
    const NAME: &'static CStr = c"get_context";
    const DOC: &'static CStr = c"Return the contextvars.Context in which the callback runs.";

    fn call(this: &BodyOf<B>, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("get_context")?;
        Ok(this.pending().context.get_or_none(call.py()).into())
    }
}

struct Run<B>(std::marker::PhantomData<B>);

impl<B: Scheduled> Method for Run<B> {
    type This = BodyOf<B>;
    const NAME: &'static CStr = c"_run";
    const DOC: &'static CStr = c"Run the callback now. For loops; the loop calls it itself.";

    fn call(this: &BodyOf<B>, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("_run")?;
        let turn = this.take_turn(call.py())?;
        if turn.is_none() || !this.pending().cancelled.get() {
            this.pending().run(call.py(), &Obj::from(&*call.this()))?;
        }
        Ok(Obj::none(call.py()))
    }
}

fn boolean(py: Python<'_>, value: bool) -> Obj {
    Obj::from(PyBool::new(py, value).to_owned().into_any())
}

fn scheduled_methods<B: Scheduled>() -> Vec<MethodDef> {
    vec![
        method::<Cancel<B>>(),
        method::<Cancelled<B>>(),
        method::<Context<B>>(),
        method::<Run<B>>(),
    ]
}

fn scheduled_getters<B: Scheduled>() -> Vec<Getter> {
    vec![
        getter::<B>(c"_callback", |b, py| {
            let callable = b.pending().callback.callable(py);
            Ok(callable.map_or_else(|| Obj::none(py), Obj::from))
        }),
        getter::<B>(c"_args", |b, py| {
            let arguments = b.pending().callback.arguments(py)?;
            Ok(arguments.map_or_else(|| Obj::none(py), Obj::from))
        }),
        getter::<B>(c"_cancelled", |b, py| Ok(boolean(py, b.pending().cancelled.get()))),
        getter::<B>(c"_context", |b, py| Ok(b.pending().context.get_or_none(py).into())),
        getter::<B>(c"_loop", |b, py| Ok(b.pending().event_loop.get_or_none(py).into())),
        getter::<B>(c"_source_traceback", |b, py| {
            let traceback = b.pending().source_traceback(py);
            Ok(traceback.map_or_else(|| Obj::none(py), Obj::from))
        }),
        getter::<B>(c"_repr", |b, py| {
            let repr = b.pending().debug.as_ref().and_then(|debug| debug.repr.get(py));
            Ok(repr.map_or_else(|| Obj::none(py), Obj::from))
        }),
    ]
}

/// A callback that runs in the next turn.
pub struct Handle(Pending);

impl Handle {
    /// A handle of `pending`.
    #[inline]
    pub fn new(pending: Pending) -> Self {
        Handle(pending)
    }
}

impl Scheduled for Handle {
    #[inline]
    fn pending(&self) -> &Pending {
        &self.0
    }
}

static HANDLE: ClassCell = ClassCell::new();

impl Native for Handle {
    // Most handles live for one turn, are held by the loop's queue alone, and are many.
    const TRACKED: bool = false;
    const RECYCLED: usize = 512;

    const NAME: &'static CStr = c"nalsil._nalsil.Handle";
    const DOC: &'static CStr = c"A callback that waits for its turn; an asyncio.Handle.";

    fn cell() -> &'static ClassCell {
        &HANDLE
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("asyncio")?.getattr("Handle")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        scheduled_methods::<Handle>()
    }

    fn getters() -> Vec<Getter> {
        scheduled_getters::<Handle>()
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.0.traverse(visit);
    }

    fn clear(&self) {
        self.0.clear();
    }
}

/// A callback that `call_soon_threadsafe` has scheduled, since Python 3.14: cancelling it, or
/// asking whether it is cancelled, waits while another thread runs it.
pub struct ThreadSafeHandle {
    pending: Pending,
    turn: Turn,
}

impl ThreadSafeHandle {
    /// A handle of `pending`.
    pub fn new(pending: Pending) -> Self {
        ThreadSafeHandle { pending, turn: Turn::default() }
    }
}

impl Scheduled for ThreadSafeHandle {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn turn(&self) -> Option<&Turn> {
        Some(&self.turn)
    }
}

static THREAD_SAFE_HANDLE: ClassCell = ClassCell::new();

impl Native for ThreadSafeHandle {
    const RECYCLED: usize = 512;

    const NAME: &'static CStr = c"nalsil._nalsil.ThreadSafeHandle";
    const DOC: &'static CStr = c"A callback that another thread has scheduled; an asyncio.Handle.";

    fn cell() -> &'static ClassCell {
        &THREAD_SAFE_HANDLE
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("asyncio.events")?.getattr("_ThreadSafeHandle")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        scheduled_methods::<ThreadSafeHandle>()
    }

    fn getters() -> Vec<Getter> {
        scheduled_getters::<ThreadSafeHandle>()
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.pending.traverse(visit);
    }

    fn clear(&self) {
        self.pending.clear();
    }
}

/// A callback that runs at a time.
pub struct TimerHandle {
    pending: Pending,
    /// Second of the loop's clock.
    when: f64,
    /// Whether the loop's heap holds it.
    scheduled: Cell<bool>,
}

impl TimerHandle {
    /// A handle of `pending` that is due at second `when`.
    #[inline]
    pub fn new(pending: Pending, when: f64) -> Self {
        TimerHandle { pending, when, scheduled: Cell::new(true) }
    }

    /// Called when the loop takes it from its heap.
    #[inline]
    pub fn leave_heap(&self) {
        self.scheduled.set(false);
    }
}

impl Scheduled for TimerHandle {
    #[inline]
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn on_cancel(&self, py: Python<'_>) {
        if !self.scheduled.get() {
            return;
        }
        let Some(event_loop) = self.pending.event_loop.get(py) else { return };
        if let Ok(event_loop) = event_loop.cast::<EventLoop>() {
            drop(event_loop.get().state(py, |state| state.core.note_cancelled()));
        }
    }
}

struct When;

impl Method for When {
    type This = BodyOf<TimerHandle>;
    const NAME: &'static CStr = c"when";
    const DOC: &'static CStr = c"Return the second of loop.time() at which the callback is due.";

    fn call(this: &BodyOf<TimerHandle>, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("when")?;
        Ok(Obj::from(PyFloat::new(call.py(), this.when)))
    }
}

static TIMER_HANDLE: ClassCell = ClassCell::new();

impl Native for TimerHandle {
    const RECYCLED: usize = 512;

    const NAME: &'static CStr = c"nalsil._nalsil.TimerHandle";
    const DOC: &'static CStr = c"A callback that waits for its time; an asyncio.TimerHandle.";

    fn cell() -> &'static ClassCell {
        &TIMER_HANDLE
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("asyncio")?.getattr("TimerHandle")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        let mut methods = scheduled_methods::<TimerHandle>();
        methods.push(method::<When>());
        methods
    }

    fn getters() -> Vec<Getter> {
        let mut getters = scheduled_getters::<TimerHandle>();
        getters
            .push(getter::<TimerHandle>(c"_when", |b, py| Ok(Obj::from(PyFloat::new(py, b.when)))));
        getters
            .push(getter::<TimerHandle>(c"_scheduled", |b, py| Ok(boolean(py, b.scheduled.get()))));
        getters
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.pending.traverse(visit);
    }

    fn clear(&self) {
        self.pending.clear();
    }
}
