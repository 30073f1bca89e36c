//! The event loop: what it holds, and the doors through which the rest of the binding reaches it.

mod child;
mod descriptors;
mod handle;
mod owner;
mod run;
mod schedule;
mod socket_operation;
mod turn;

pub use child::{Spawner, Start};
pub use descriptors::Descriptor;
pub use handle::{Handle, ThreadSafeHandle, TimerHandle};
pub use owner::OwnerCell;
pub use schedule::HAS_THREAD_SAFE_HANDLES;
pub use socket_operation::SocketOperation;

use crate::capi::{self, Instance, MethodDef, Visit};
use crate::errors::os_error;
use crate::pool::{CallFromThread, Delivery, Future, Hop, Shared, Spin, ThreadPool};
use crate::transport::{Listener, TlsTransport, Transport};
use nalsil_driver::sys::{Selector, Wake, time};
use nalsil_driver::{Cancellable, Core, Event, Handle as LoopHandle, Slab, Token};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

/// The room that one read of a stream has at most: asyncio's size.
pub const SCRATCH_SIZE: usize = 256 * 1024;

/// Everything the loop can be asked to do.
pub enum Ready {
    /// Run a callback.
    Handle(Instance<Handle>),
    /// Run a callback that another thread has scheduled, where its handle is one for threads.
    ThreadSafe(Instance<ThreadSafeHandle>),
    /// Run a callback whose time has come.
    Timer(Instance<TimerHandle>),
    /// See to a descriptor.
    Io(Event),
    /// Tell a protocol that its connection is made, and begin to read.
    Start(Box<Transport>),
    /// Tell a protocol that its connection is lost, and close it.
    Lost(Box<Transport>),
    /// Give a protocol what its TLS transport has kept while it did not read.
    Decrypt(Instance<TlsTransport>),
    /// Complete the future of a job that ran in a thread.
    Hop(Arc<Hop>),
    /// Make a call that another thread has asked for.
    Call(Box<CallFromThread>),
}

impl Cancellable for Ready {
    fn is_cancelled(&self) -> bool {
        match self {
            Ready::Handle(handle) => handle.is_cancelled(),
            Ready::ThreadSafe(handle) => handle.is_cancelled(),
            Ready::Timer(handle) => handle.is_cancelled(),
            _ => false,
        }
    }
}

impl Ready {
    /// Drops the item, in the way that its handle asks for.
    fn release(self) {
        if let Ready::Handle(handle) = self {
            handle.release();
        }
    }

    /// Drops an item that a closed loop will not run, and tells those who wait for it.
    fn refuse(self, py: Python<'_>) {
        match self {
            Ready::Hop(hop) => hop.undeliverable(py),
            Ready::Call(call) => call.refuse(py),
            other => other.release(),
        }
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        match self {
            Ready::Handle(handle) => handle.traverse_owned(visit),
            Ready::ThreadSafe(handle) => visit.object(handle.object()),
            Ready::Timer(handle) => visit.object(handle.object()),
            Ready::Start(transport) | Ready::Lost(transport) => visit.object(transport.object()),
            Ready::Decrypt(tls) => visit.object(tls.object()),
            // Others hold these as well, so the collector must take them for reachable.
            Ready::Io(_) | Ready::Hop(_) | Ready::Call(_) => {}
        }
    }
}

/// What a token stands for.
pub enum Source {
    /// A connection, a datagram socket or the end of a pipe.
    Transport(Transport),
    /// A listening socket.
    Listener(Arc<Listener>),
    /// A descriptor of the user's, with who waits for it.
    Descriptor(Descriptor),
    /// A child process that is being made. No descriptor: a thread reports it.
    Start(Start),
}

/// What only the loop's own thread touches.
pub struct State {
    /// The queue and the timers.
    pub core: Core<Ready>,
    /// What is registered with the selector.
    pub sources: Slab<Source>,
    /// The source of each descriptor number.
    pub by_fd: Vec<Option<Token>>,
    /// Where small reads go first. Out while somebody reads.
    pub scratch: Option<Box<[MaybeUninit<u8>]>>,
}

impl State {
    /// The token under which `fd` is known.
    pub fn token_of(&self, fd: RawFd) -> Option<Token> {
        let token = *self.by_fd.get(usize::try_from(fd).ok()?)?;
        token.filter(|token| self.sources.get(*token).is_some())
    }

    /// Stores `source` for `fd`, in place of what was known of that number.
    ///
    /// Returns what was replaced: the number was closed behind our back and given out again.
    #[must_use = "dropping a source may run code; choose the place"]
    pub fn insert_source(&mut self, fd: RawFd, source: Source) -> (Token, Option<Source>) {
        let replaced = self.token_of(fd).and_then(|token| self.sources.remove(token));
        let token = self.sources.insert(source);
        if let Ok(index) = usize::try_from(fd) {
            if self.by_fd.len() <= index {
                self.by_fd.resize(index + 1, None);
            }
            self.by_fd[index] = Some(token);
        }
        (token, replaced)
    }
}

/// Wakes a loop.
struct LoopWaker(LoopHandle<Ready>);

impl std::task::Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// The loop, without the parts that run once per loop or connection and stand in Python.
#[pyclass(frozen, subclass, module = "nalsil._nalsil")]
pub struct EventLoop {
    state: OwnerCell<State>,
    /// What other threads use.
    inbox: LoopHandle<Ready>,
    selector: Selector,
    closed: AtomicBool,
    stopping: AtomicBool,
    debug: AtomicBool,
    /// The thread that runs the loop; zero if none does.
    thread: AtomicU64,
    /// Seconds, as the bits of an `f64`.
    slow_callback_duration: AtomicU64,
    /// What wakes the loop.
    waker: Waker,
    spin: Spin,
    /// Whether another thread's call was run since the last sleep.
    called: AtomicBool,
    /// Calls of other threads whose tasks run, by the address of their futures.
    calls: OwnerCell<HashMap<usize, Instance<Future>>>,
    /// Jobs in threads whose outcome this loop awaits.
    pub hops_under_way: Arc<AtomicUsize>,
    /// The pool behind run_in_executor(None, ...), if it is one of ours.
    default_pool: OwnerCell<Option<Arc<Shared>>>,
    task_factory: OwnerCell<Option<Py<PyAny>>>,
    /// `{"loop": self}`, with which tasks and futures are made.
    loop_keyword: OwnerCell<Option<Py<PyDict>>>,
}

impl EventLoop {
    /// See [`OwnerCell::with`].
    #[inline]
    pub fn state<R>(&self, py: Python<'_>, body: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(py, body)
    }

    /// Where descriptors are registered.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Schedules `item` for the next turn, behind what other threads have sent. For the loop's own
    /// thread.
    #[inline]
    pub fn push(&self, py: Python<'_>, item: Ready) {
        self.state(py, |state| {
            state.core.take_inbox(&self.inbox);
            state.core.push(item);
        });
    }

    /// Gives `item` to the loop from any thread, and wakes it.
    pub fn send(&self, py: Python<'_>, item: Ready) {
        self.send_quietly(py, item).wake();
    }

    /// Gives `item` to the loop from any thread. What is returned must be used to wake it.
    #[must_use = "the loop sleeps until it is woken"]
    pub fn send_quietly(&self, py: Python<'_>, item: Ready) -> Waker {
        self.inbox.enqueue(item);
        // A close() in another thread may have emptied the inbox just before.
        if self.is_closed_now() {
            let mut late = Vec::new();
            self.inbox.take(&mut late);
            late.into_iter().for_each(|item| item.refuse(py));
        }
        self.waker.clone()
    }

    /// When a thread that waits for this loop is best woken, from the loop's own thread: when the
    /// loop sleeps, unless something else runs before, which takes as long as it likes.
    pub fn delivery(&self, py: Python<'_>) -> Delivery {
        let idle = self.state(py, |state| state.core.ready_len() == 0);
        if idle { Delivery::WhenParked } else { Delivery::Now }
    }

    /// Remembers a call of another thread, which must be told if the loop is closed first.
    pub fn keep_call(&self, py: Python<'_>, future: &Instance<Future>) {
        let key = future.identity();
        let old = self.calls.with(py, |calls| calls.insert(key, future.clone_ref(py)));
        drop(old);
    }

    /// Forgets a call that has ended.
    pub fn forget_call(&self, py: Python<'_>, future: &Instance<Future>) {
        let gone = self.calls.with(py, |calls| calls.remove(&future.identity()));
        drop(gone);
    }

    /// The pool behind `run_in_executor(None, ...)`, if it is one of ours.
    pub fn default_pool(&self, py: Python<'_>) -> Option<Arc<Shared>> {
        self.default_pool.with(py, |pool| pool.clone())
    }

    /// Runs `body` with the loop's scratch memory, of [`SCRATCH_SIZE`] bytes.
    pub fn with_scratch<R>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&mut [MaybeUninit<u8>]) -> R,
    ) -> R {
        let scratch = self.state(py, |state| state.scratch.take());
        let mut scratch = scratch.unwrap_or_else(|| Box::new_uninit_slice(SCRATCH_SIZE));
        let result = body(&mut scratch);
        self.state(py, |state| state.scratch = Some(scratch));
        result
    }

    /// Whether debug mode is on.
    #[inline]
    pub fn is_debug(&self) -> bool {
        self.debug.load(Ordering::Relaxed)
    }

    /// Whether the loop is closed.
    #[inline]
    pub fn is_closed_now(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    #[inline]
    pub fn check_open(&self) -> PyResult<()> {
        if self.is_closed_now() {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        Ok(())
    }

    /// # Errors
    ///
    /// `RuntimeError` if the loop runs in another thread.
    fn check_thread(&self) -> PyResult<()> {
        let runs = self.thread.load(Ordering::Acquire);
        if runs != 0 && runs != capi::thread_ident() {
            return Err(PyRuntimeError::new_err(
                "Non-thread-safe operation invoked on an event loop other than the current one",
            ));
        }
        Ok(())
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.state.look(|state| {
            state.core.items().for_each(|item| item.traverse(visit));
            for source in state.sources.iter() {
                match source {
                    Source::Transport(transport) => visit.object(transport.object()),
                    Source::Listener(listener) => listener.traverse(visit),
                    Source::Descriptor(descriptor) => descriptor.traverse(visit),
                    Source::Start(start) => start.traverse(visit),
                }
            }
        });
        self.inbox.for_each(|item| item.traverse(visit));
    }

    /// Drops what the loop keeps for use again.
    fn forget(&self, py: Python<'_>) {
        drop(self.default_pool.with(py, Option::take));
        drop(self.task_factory.with(py, Option::take));
        drop(self.loop_keyword.with(py, Option::take));
        drop(self.state(py, |state| state.scratch.take()));
    }

    /// Drops everything that waits.
    fn drain(&self, py: Python<'_>) {
        let (items, sources) = self.state(py, |state| {
            state.core.take_inbox(&self.inbox);
            state.by_fd.clear();
            (state.core.drain(), state.sources.drain())
        });
        items.into_iter().for_each(|item| item.refuse(py));
        let calls = self.calls.with(py, std::mem::take);
        calls.values().for_each(|future| crate::pool::refuse(py, future));
        for source in sources {
            match source {
                Source::Descriptor(descriptor) => descriptor.release(),
                Source::Start(start) => start.bury(),
                Source::Transport(_) | Source::Listener(_) => {}
            }
        }
    }
}

#[pymethods]
impl EventLoop {
    #[new]
    fn new() -> PyResult<Self> {
        crate::pool::look_at_processors_once();
        let selector = Selector::new().map_err(|e| os_error(&e))?;
        let wake = Wake::new().map_err(|e| os_error(&e))?;
        selector.register_wake(&wake).map_err(|e| os_error(&e))?;
        let mut core = Core::default();
        if nalsil_driver::sys::has_many_processors() {
            core.allow_spin();
        }
        let state = State { core, sources: Slab::default(), by_fd: Vec::new(), scratch: None };
        let inbox = LoopHandle::new(wake);
        Ok(EventLoop {
            state: OwnerCell::new(state),
            waker: Waker::from(Arc::new(LoopWaker(inbox.clone()))),
            inbox,
            spin: Spin::default(),
            called: AtomicBool::new(false),
            calls: OwnerCell::new(HashMap::new()),
            hops_under_way: Arc::new(AtomicUsize::new(0)),
            default_pool: OwnerCell::new(None),
            selector,
            closed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            debug: AtomicBool::new(false),
            thread: AtomicU64::new(0),
            slow_callback_duration: AtomicU64::new(0.1f64.to_bits()),
            task_factory: OwnerCell::new(None),
            loop_keyword: OwnerCell::new(None),
        })
    }

    /// Return True if the loop is running.
    fn is_running(&self) -> bool {
        self.thread.load(Ordering::Acquire) != 0
    }

    /// Return True if the loop was closed.
    fn is_closed(&self) -> bool {
        self.is_closed_now()
    }

    /// Return True if debug mode is on.
    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    /// Turn debug mode on or off.
    #[pyo3(signature = (enabled, /))]
    fn _set_debug(&self, enabled: bool) {
        self.debug.store(enabled, Ordering::Relaxed);
    }

    /// Seconds from which on debug mode reports a callback as slow.
    #[getter]
    fn slow_callback_duration(&self) -> f64 {
        f64::from_bits(self.slow_callback_duration.load(Ordering::Relaxed))
    }

    #[setter(slow_callback_duration)]
    fn set_slow_callback_duration(&self, seconds: f64) {
        self.slow_callback_duration.store(seconds.to_bits(), Ordering::Relaxed);
    }

    /// The thread that runs the loop, or None.
    #[getter]
    fn _thread_id(&self) -> Option<u64> {
        Some(self.thread.load(Ordering::Acquire)).filter(|thread| *thread != 0)
    }

    /// The resolution of loop.time() in seconds.
    #[getter]
    fn _clock_resolution(&self) -> f64 {
        time::resolution()
    }

    /// Set the pool of run_in_executor(None, ...), or None if it is not one of nalsil's.
    #[pyo3(signature = (pool, /))]
    fn _set_default_pool(
        slf: &Bound<'_, Self>,
        pool: Option<&Bound<'_, ThreadPool>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let pool = pool.map(|pool| pool.get().shared(py)).transpose()?;
        drop(slf.get().default_pool.with(py, |place| std::mem::replace(place, pool)));
        Ok(())
    }

    fn _check_closed(&self) -> PyResult<()> {
        self.check_open()
    }

    /// What the loop has counted when it last went to sleep, by name.
    fn statistics<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let (py, this) = (slf.py(), slf.get());
        if this.thread.load(Ordering::Acquire) == capi::thread_ident() || !this.is_running() {
            this.publish(py);
        }
        let counted = PyDict::new(py);
        for (name, value) in this.inbox.counters().snapshot().fields() {
            counted.set_item(name, value)?;
        }
        Ok(counted)
    }

    /// Drop everything that waits, and refuse new work. Called once, by close().
    fn _close(slf: &Bound<'_, Self>) {
        let this = slf.get();
        this.closed.store(true, Ordering::Release);
        this.drain(slf.py());
        this.forget(slf.py());
        this.selector.close();
        this.inbox.wake().close();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.task_factory.look(|factory| visit.call(factory)).transpose()?;
        self.loop_keyword.look(|keyword| visit.call(keyword)).transpose()?;
        let mut visit = Visit::pyo3(visit);
        self.traverse(&mut visit);
        visit.outcome()
    }

    fn __clear__(slf: &Bound<'_, Self>) {
        let (py, this) = (slf.py(), slf.get());
        this.drain(py);
        this.forget(py);
    }
}

/// The methods that do not go through PyO3's own argument handling.
pub fn methods() -> Vec<MethodDef> {
    let mut methods = schedule::methods();
    methods.extend(crate::pool::RUN_IN_EXECUTOR);
    methods.extend(crate::pool::PORTAL);
    methods
}
