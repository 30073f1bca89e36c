//! What datagram sockets and the ends of pipes have in common: their descriptor, their protocol,
//! flow control, and the way they end.

mod methods;

pub use methods::{getters, methods, writing_methods};

use super::Transport;
use super::flow_control::Flow;
use super::log_in_debug;
use crate::capi::intern;
use crate::capi::{Instance, Native, Obj, Slot, Visit, call_method, copy_context, run_in};
use crate::errors::{self, os_error};
use crate::event_loop::{EventLoop, Ready, Source};
use crate::imports::imports;
use nalsil_driver::sys::{net, pipe};
use nalsil_driver::{Event, Interest, Token, Trigger};
use pyo3::Borrowed;
use pyo3::exceptions::{PyOSError, PyResourceWarning, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;

/// How many writes to what is lost pass in silence; asyncio counts the loss as the fifth.
const SILENT_WRITES: u32 = 4;

/// The state of every such transport.
pub struct Base {
    event_loop: Slot,
    fd: Cell<RawFd>,
    /// What the selector knows: the descriptor, or a duplicate if two transports share one.
    watched: Cell<RawFd>,
    token: Cell<Option<Token>>,
    registered: Cell<Interest>,
    /// Whether the system refuses to watch the descriptor, as devices that are always ready.
    unwatched: Cell<bool>,
    /// Whether the next try of such a device is scheduled.
    scheduled: Cell<bool>,
    /// The object that owns the descriptor: a socket, or what was passed as a pipe.
    file: Slot,
    /// Whether others know that object, and may close it or take the descriptor out.
    shared: bool,
    protocol: Slot,
    context: Slot,
    /// The future of who waits for the start.
    waiter: Slot,
    /// The answers of `get_extra_info`.
    extra: Slot,
    started: Cell<bool>,
    closing: Cell<bool>,
    /// Whether the end is decided.
    lost: Cell<bool>,
    /// How many writes came too late.
    late_writes: Cell<u32>,
    lost_reason: Slot,
    flow: Flow,
    /// What programs have stored in the transport.
    dictionary: Slot,
}

/// What a new transport is made of.
pub struct Parts<'a, 'py> {
    /// The descriptor, which the transport owns from now on.
    pub fd: RawFd,
    /// The object that owns it.
    pub file: &'a Bound<'py, PyAny>,
    /// Whether others know that object.
    pub shared: bool,
    /// The user's protocol.
    pub protocol: &'a Bound<'py, PyAny>,
    /// A future to complete when the protocol knows of the transport.
    pub waiter: Option<&'a Bound<'py, PyAny>>,
    /// The answers of `get_extra_info`.
    pub extra: &'a Bound<'py, PyDict>,
}

/// A transport of this kind.
pub trait Endpoint: Native {
    /// What was queued, taken out to be dropped where dropping may run code.
    type Queue;

    /// The state.
    fn base(&self) -> &Base;

    /// The transport as the loop knows it.
    fn transport(this: Instance<Self>) -> Transport;

    /// What the transport waits for now.
    fn wanted(&self) -> Interest;

    /// How much is queued, in bytes, as flow control counts it.
    fn queued(&self) -> usize;

    /// Takes out what is queued.
    fn take_queue(&self) -> Self::Queue;

    /// The descriptor is ready.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    fn ready(
        this: &Instance<Self>,
        event_loop: &Bound<'_, EventLoop>,
        event: Event,
    ) -> PyResult<()>;

    /// Stops reading, sends what is queued, then tells the protocol.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Whether `error` is one that such things have, which the protocol alone is told of.
    fn is_ordinary(error: &Bound<'_, PyAny>) -> bool {
        error.is_instance_of::<PyOSError>()
    }

    /// Runs right before the protocol is told of the end.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    fn before_lost(_this: &Instance<Self>, _py: Python<'_>) -> PyResult<()> {
        Ok(())
    }

    /// Closes the object that owns the descriptor.
    ///
    /// # Errors
    ///
    /// What its method raises.
    fn release(file: &Bound<'_, PyAny>) -> PyResult<()> {
        file.call_method0(intern!(file.py(), "close")).map(drop)
    }
}

impl Base {
    /// Where the dictionary of an instance is kept.
    pub const DICTIONARY: usize = std::mem::offset_of!(Base, dictionary);

    /// The state of a transport of `parts`, in a copy of the current context. It owns nothing yet.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn new(event_loop: &Bound<'_, EventLoop>, parts: &Parts<'_, '_>) -> PyResult<Self> {
        let waiter = parts.waiter.filter(|waiter| !waiter.is_none());
        Ok(Base {
            event_loop: Slot::new(event_loop),
            fd: Cell::new(-1),
            watched: Cell::new(-1),
            token: Cell::new(None),
            registered: Cell::new(Interest::NONE),
            unwatched: Cell::new(false),
            scheduled: Cell::new(false),
            file: Slot::default(),
            shared: parts.shared,
            protocol: Slot::new(parts.protocol),
            context: Slot::new(copy_context(event_loop.py())?),
            waiter: waiter.map_or_else(Slot::default, Slot::new),
            extra: Slot::new(parts.extra),
            started: Cell::new(false),
            closing: Cell::new(false),
            lost: Cell::new(false),
            late_writes: Cell::new(0),
            lost_reason: Slot::default(),
            flow: Flow::default(),
            dictionary: Slot::default(),
        })
    }

    /// Whether the descriptor is closed.
    pub fn is_closed(&self) -> bool {
        self.fd.get() < 0
    }

    /// Whether the protocol knows of the transport.
    pub fn is_started(&self) -> bool {
        self.started.get()
    }

    /// Whether no more is read, and what is written is refused.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Ends reading and writing.
    pub fn set_closing(&self) -> bool {
        self.closing.replace(true)
    }

    /// Whether the end is decided.
    pub fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Decides the end, for a caller who tells the protocol at once.
    pub fn decide_end(&self) {
        self.lost.set(true);
    }

    /// Under which the loop knows the transport; nothing once it is over.
    pub fn token(&self) -> Option<Token> {
        self.token.get()
    }

    /// The object that owns the descriptor.
    pub fn file<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.file.get(py)
    }

    /// The protocol, or `None`.
    pub fn protocol<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.protocol.get_or_none(py)
    }

    /// The loop.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the garbage collector has taken it.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, EventLoop>> {
        let event_loop = self.event_loop.get(py);
        let event_loop =
            event_loop.ok_or_else(|| PyRuntimeError::new_err("transport is closed"))?;
        Ok(event_loop.cast_into::<EventLoop>()?)
    }

    /// The descriptor for a system call: none, if the user has closed the object that owns it. The
    /// number may be somebody else's by now.
    #[inline]
    pub fn usable_fd(&self, py: Python<'_>) -> RawFd {
        if self.shared { self.fd_of_shared(py) } else { self.fd.get() }
    }

    fn fd_of_shared(&self, py: Python<'_>) -> RawFd {
        let fd = self.fd.get();
        let known = self.file.get(py).and_then(|file| {
            let number = call_method(&file, intern!(py, "fileno"), []);
            number.ok()?.extract::<RawFd>().ok()
        });
        if known == Some(fd) { fd } else { -1 }
    }

    /// What the selector may be asked about: not a number that may be somebody else's by now.
    fn usable_watched(&self, py: Python<'_>) -> RawFd {
        let watched = self.watched.get();
        if watched == self.fd.get() { self.usable_fd(py) } else { watched }
    }

    /// Gives up the object that owns the descriptor, which stays open.
    pub fn disown(&self, py: Python<'_>) {
        let usable = self.usable_fd(py) >= 0;
        self.forget_watched(py, self.fd.replace(-1), usable);
        drop(self.file.take());
    }

    /// Ends the registration of `fd`, and closes its duplicate if there is one. `usable` says
    /// whether the number still is the transport's.
    fn forget_watched(&self, py: Python<'_>, fd: RawFd, usable: bool) {
        let watched = self.watched.replace(-1);
        if let (Some(token), Ok(event_loop)) = (self.token.take(), self.event_loop(py)) {
            let registered = self.registered.replace(Interest::NONE);
            // A duplicate of the descriptor in another process would keep the registration alive.
            if !registered.is_none() && (usable || watched != fd) {
                event_loop.get().selector().deregister(watched);
            }
            let source = event_loop.get().state(py, |state| state.sources.remove(token));
            drop(source);
        }
        if watched >= 0 && watched != fd {
            net::close(watched);
        }
    }

    /// Runs `body` in the transport's context.
    ///
    /// # Errors
    ///
    /// Those of `body`.
    #[inline]
    pub fn in_context<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        match self.context.get(py) {
            Some(context) => run_in(py, &context, body),
            None => body(),
        }
    }

    /// Says that a write comes too late, if several have.
    ///
    /// # Errors
    ///
    /// What the logger raises.
    pub fn warn_of_late_write(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        let late = self.late_writes.get();
        self.late_writes.set(late.saturating_add(1));
        if late < SILENT_WRITES {
            return Ok(());
        }
        imports(py)?.logger.bind(py).call_method1(intern!(py, "warning"), (text,)).map(drop)
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        self.slots().into_iter().for_each(|slot| visit.slot(slot));
    }

    /// For the garbage collector.
    pub fn clear(&self) {
        self.slots().into_iter().for_each(|slot| drop(slot.take()));
    }

    fn slots(&self) -> [&Slot; 8] {
        [
            &self.event_loop,
            &self.file,
            &self.protocol,
            &self.context,
            &self.waiter,
            &self.extra,
            &self.lost_reason,
            &self.dictionary,
        ]
    }

    /// The beginning of a transport's `repr()`.
    pub fn describe(&self, name: &str) -> Vec<String> {
        let state = match (self.is_closed(), self.closing.get()) {
            (true, _) => "closed",
            (false, true) => "closing",
            (false, false) => "open",
        };
        vec![name.to_owned(), state.to_owned(), format!("fd={}", self.fd.get())]
    }

    /// How `interest` is waited for, in words.
    pub fn state_of(&self, is_wanted: fn(Interest) -> bool) -> &'static str {
        if is_wanted(self.registered.get()) { "polling" } else { "idle" }
    }
}

/// What the loop and the kinds of transports ask of one. These are functions of the instance,
/// because they give references to it away.
impl<B: Endpoint> Instance<B> {
    /// The transport that `make` makes of the state. It does nothing before [`Ready::Start`], which
    /// is scheduled.
    ///
    /// # Errors
    ///
    /// `AttributeError` if the protocol cannot be told of the transport, `OSError` if there is no
    /// room for another descriptor; the descriptor stays the caller's.
    pub fn create(
        event_loop: &Bound<'_, EventLoop>,
        parts: &Parts<'_, '_>,
        make: impl FnOnce(Base) -> B,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        let this = Instance::new(py, make(Base::new(event_loop, parts)?))?;
        // A protocol that cannot be told of its transport is met here, by who passed it.
        drop(parts.protocol.getattr(intern!(py, "connection_made"))?);
        let watched = Self::watched_for(event_loop, parts.fd)?;
        let base = this.base();
        base.file.set(parts.file);
        base.fd.set(parts.fd);
        base.watched.set(watched);
        let source = Source::Transport(B::transport(this.clone_ref(py)));
        let (token, replaced) =
            event_loop.get().state(py, |state| state.insert_source(watched, source));
        drop(replaced);
        base.token.set(Some(token));
        let start = Ready::Start(Box::new(B::transport(this.clone_ref(py))));
        event_loop.get().push(py, start);
        Ok(this)
    }

    /// The number under which the selector shall know `fd`. One number cannot be watched for two
    /// transports: a terminal may be read by one and written by another.
    fn watched_for(event_loop: &Bound<'_, EventLoop>, fd: RawFd) -> PyResult<RawFd> {
        let taken = event_loop.get().state(event_loop.py(), |state| {
            let token = state.token_of(fd)?;
            match state.sources.get(token) {
                Some(Source::Transport(transport)) if transport.owns(fd) => Some(()),
                _ => None,
            }
        });
        match taken {
            Some(()) => pipe::duplicate(fd).map_err(|error| os_error(&error)),
            None => Ok(fd),
        }
    }

    /// Whether the transport owns descriptor `fd` and does not let go of it.
    pub fn owns(&self, fd: RawFd) -> bool {
        self.base().fd.get() == fd && !self.base().closing.get()
    }

    /// Gives `error` to the loop's exception handler, unless it ends the run.
    ///
    /// # Errors
    ///
    /// `error`, if it ends the run.
    pub fn report(&self, py: Python<'_>, message: &str, error: PyErr) -> PyResult<()> {
        if errors::ends_the_run(py, &error) {
            return Err(error);
        }
        let base = self.base();
        let event_loop = base.event_loop.get_or_none(py);
        let more = [("transport", self.bind(py).to_owned()), ("protocol", base.protocol(py))];
        errors::report(&event_loop, message, error, &more)
    }

    /// Calls a method of the protocol in the transport's context. What it raises is reported, and
    /// the transport goes on.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    #[inline]
    pub fn tell<const N: usize>(
        &self,
        py: Python<'_>,
        method: &Bound<'_, pyo3::types::PyString>,
        arguments: [&Bound<'_, PyAny>; N],
    ) -> PyResult<()> {
        let protocol = self.base().protocol(py);
        let told = self.base().in_context(py, || call_method(&protocol, method, arguments));
        match told {
            Ok(_) => Ok(()),
            Err(error) => {
                self.report(py, &format!("Exception in callback protocol.{method}()"), error)
            }
        }
    }

    /// Tells the protocol of the transport, begins to read, and completes the waiter.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn start(&self, py: Python<'_>) -> PyResult<()> {
        let base = self.base();
        let told = self.tell(py, intern!(py, "connection_made"), [&self.bind(py)]);
        base.started.set(true);
        if !base.is_closed() {
            self.watch(&base.event_loop(py)?)?;
        }
        if let Some(waiter) = base.waiter.take() {
            let waiter = waiter.bind(py);
            if !waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
                waiter.call_method1(intern!(py, "set_result"), (py.None(),))?;
            }
        }
        told
    }

    /// The descriptor is ready, or a device is tried that is always so.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    #[inline]
    pub fn met(&self, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        if !self.base().unwatched.get() {
            return B::ready(self, event_loop, event);
        }
        self.base().scheduled.set(false);
        let done = B::ready(self, event_loop, event);
        done.and(self.watch(event_loop))
    }

    /// Registers what the transport waits for; a refusal is the end of this transport only.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn watch(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        self.update_interest(event_loop).or_else(|error| {
            self.fatal(event_loop.py(), error, "Fatal error: the descriptor cannot be watched.")
        })
    }

    /// Registers what the transport waits for now.
    ///
    /// # Errors
    ///
    /// `OSError` if the system refuses.
    pub fn update_interest(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let base = self.base();
        let Some(token) = base.token.get() else { return Ok(()) };
        let wanted = self.wanted();
        if base.unwatched.get() {
            self.try_again(event_loop, token, wanted);
            return Ok(());
        }
        let registered = base.registered.replace(wanted);
        if wanted == registered {
            return Ok(());
        }
        let fd = base.usable_watched(event_loop.py());
        let selector = event_loop.get().selector();
        if wanted.is_none() {
            selector.deregister(fd);
            return Ok(());
        }
        let known = !registered.is_none();
        match selector.register(fd, token, wanted, Trigger::Level, known) {
            Ok(()) => Ok(()),
            // A device that is always ready, such as the null device.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                base.registered.set(Interest::NONE);
                base.unwatched.set(true);
                self.try_again(event_loop, token, wanted);
                Ok(())
            }
            Err(error) => {
                base.registered.set(Interest::NONE);
                Err(os_error(&error))
            }
        }
    }

    /// Schedules a try of what the system does not watch, one at a time.
    fn try_again(&self, event_loop: &Bound<'_, EventLoop>, token: Token, wanted: Interest) {
        if !wanted.is_none() && !self.base().scheduled.replace(true) {
            event_loop.get().push(event_loop.py(), Ready::Io(Event { token, ready: wanted }));
        }
    }

    /// Decides the end: the protocol is told in the next turn.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    pub fn schedule_lost(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        event_loop.get().check_open()?;
        let (py, base) = (event_loop.py(), self.base());
        base.lost.set(true);
        let lost = Ready::Lost(Box::new(B::transport(self.clone_ref(py))));
        event_loop.get().push(py, lost);
        self.update_interest(event_loop)
    }

    /// Ends the transport now, with `reason`; what is queued is lost.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    pub fn force_close(&self, py: Python<'_>, reason: Option<Obj>) -> PyResult<()> {
        let base = self.base();
        if base.is_lost() || !base.event_loop.is_set() {
            return Ok(());
        }
        let event_loop = base.event_loop(py)?;
        base.closing.set(true);
        let gone = self.take_queue();
        let scheduled = self.schedule_lost(&event_loop);
        drop(base.lost_reason.replace(reason));
        drop(gone);
        scheduled
    }

    /// Reports `error`, unless it is one that such things have, and ends the transport.
    ///
    /// # Errors
    ///
    /// `error` itself, if it ends the run.
    pub fn fatal(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        let value = error.value(py).clone().into_any();
        let told = if B::is_ordinary(&value) {
            let line = ("%r: %s: %r", self.bind(py), message, &value);
            log_in_debug(&self.base().event_loop(py)?, line, Some(&error))
        } else {
            // If it ends the run, the transport is of no use to anybody, and ends as well.
            self.report(py, message, error)
        };
        let closed = self.force_close(py, Some(Obj::from(value)));
        told.and(closed)
    }

    /// Tells the protocol that the transport is over, and closes the descriptor.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn lost(&self, py: Python<'_>) -> PyResult<()> {
        let base = self.base();
        if base.is_closed() {
            return Ok(());
        }
        let before = B::before_lost(self, py);
        let reason = base.lost_reason.take().unwrap_or_else(|| Obj::none(py));
        let told = self.tell(py, intern!(py, "connection_lost"), [&reason.bind(py)]);
        let closed = self.close_descriptor(py).or_else(|error| {
            self.report(py, "Exception while a transport closes its descriptor", error)
        });
        drop(base.protocol.take());
        before.and(told).and(closed)
    }

    /// Closes the descriptor, once. Nothing of the loop knows it afterwards.
    ///
    /// # Errors
    ///
    /// What closing the object raises that owns it.
    pub fn close_descriptor(&self, py: Python<'_>) -> PyResult<()> {
        let base = self.base();
        let usable = base.usable_fd(py) >= 0;
        let fd = base.fd.replace(-1);
        base.forget_watched(py, fd, usable);
        match base.file.take() {
            Some(file) if fd >= 0 => B::release(&file.bind(py)),
            _ => Ok(()),
        }
    }

    /// Asks the protocol to pause, if too much is queued.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn maybe_pause_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let flow = &self.base().flow;
        if self.queued() <= flow.high.get() || flow.paused.replace(true) {
            return Ok(());
        }
        let protocol = self.base().protocol(py);
        match protocol.call_method0(intern!(py, "pause_writing")) {
            Ok(_) => Ok(()),
            Err(error) => self.report(py, "protocol.pause_writing() failed", error),
        }
    }

    /// Lets the protocol go on, if little enough is queued.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn maybe_resume_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let flow = &self.base().flow;
        if self.queued() > flow.low.get() || !flow.paused.replace(false) {
            return Ok(());
        }
        let protocol = self.base().protocol(py);
        let resumed = self
            .base()
            .in_context(py, || call_method(&protocol, intern!(py, "resume_writing"), []));
        match resumed {
            Ok(_) => Ok(()),
            Err(error) => self.report(py, "protocol.resume_writing() failed", error),
        }
    }

    /// Warns of a transport that nobody has closed, and closes it.
    ///
    /// # Errors
    ///
    /// The warning, if it is one, and what closing raises.
    pub fn warn_of_unclosed(this: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
        let py = this.py();
        let Some(instance) = Instance::<B>::cast(&this) else { return Ok(()) };
        if instance.base().is_closed() {
            return Ok(());
        }
        let keywords = PyDict::new(py);
        keywords.set_item("source", this)?;
        let text = format!("unclosed transport {}", this.repr()?);
        let arguments = (text, py.get_type::<PyResourceWarning>());
        let warned = imports(py)?.warn.bind(py).call(arguments, Some(&keywords));
        warned.and(instance.close_descriptor(py))
    }
}
