//! Descriptors of the user's: `add_reader`, `add_writer`, and the operations on sockets.

use super::handle::{Handle, Pending};
use super::{EventLoop, SocketOperation, Source};
use crate::capi::intern;
use crate::capi::{Callback, Instance, Visit, copy_context};
use crate::errors::os_error;
use nalsil_driver::sys::Selector;
use nalsil_driver::{Event, Interest, Token, Trigger};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::io;
use std::os::fd::RawFd;

/// Who waits for one direction of a descriptor.
pub enum Waiter {
    /// A callback, run for as long as the descriptor is ready.
    Callback(Instance<Handle>),
    /// One operation, which waits once.
    Operation(Instance<SocketOperation>),
}

/// Which direction of a descriptor is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To read.
    Read,
    /// To write.
    Write,
}

/// A descriptor of the user's.
pub struct Descriptor {
    fd: RawFd,
    reader: Option<Waiter>,
    writer: Option<Waiter>,
}

/// Whoever an event has woken, taken out to be run.
pub struct Woken {
    reader: Option<Waiter>,
    writer: Option<Waiter>,
}

impl Waiter {
    fn is_operation(&self, operation: &Instance<SocketOperation>) -> bool {
        matches!(self, Waiter::Operation(waiting) if waiting.is(operation))
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        match self {
            Waiter::Callback(handle) => handle.traverse_owned(visit),
            Waiter::Operation(operation) => visit.object(operation.object()),
        }
    }

    fn run(self, slf: &Bound<'_, EventLoop>) -> PyResult<()> {
        match self {
            Waiter::Callback(handle) => {
                let outcome = handle.run(slf.py());
                handle.release();
                outcome
            }
            Waiter::Operation(operation) => SocketOperation::ready(&operation, slf),
        }
    }

    /// Called when somebody else takes the place, or it is given up.
    fn cancel(self, py: Python<'_>) -> PyResult<()> {
        match self {
            Waiter::Callback(handle) => {
                let outcome = handle.bind(py).call_method0(intern!(py, "cancel")).map(drop);
                handle.release();
                outcome
            }
            // Like a reader that was replaced, the operation waits for ever unless it is cancelled.
            Waiter::Operation(_) => Ok(()),
        }
    }
}

impl Descriptor {
    fn place(&mut self, direction: Direction) -> &mut Option<Waiter> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    /// What the selector shall report. Operations wait once, and a registration that sleeps by
    /// itself afterwards saves the call that would end it.
    fn wanted(&self) -> (Interest, Trigger) {
        let mut interest = Interest::NONE;
        let mut trigger = Trigger::Once;
        for (waiter, bit) in
            [(&self.reader, Interest::READABLE), (&self.writer, Interest::WRITABLE)]
        {
            if let Some(waiter) = waiter {
                interest = interest | bit;
                if matches!(waiter, Waiter::Callback(_)) {
                    trigger = Trigger::Level;
                }
            }
        }
        (interest, trigger)
    }

    fn arm(&self, token: Token, selector: &Selector, known: bool) -> io::Result<()> {
        let (interest, trigger) = self.wanted();
        selector.register(self.fd, token, interest, trigger, known)
    }

    /// Takes out whoever waits for what `event` reports. Callbacks stay as well.
    pub fn wake(&mut self, py: Python<'_>, event: Event, selector: &Selector) -> Woken {
        let (_, trigger) = self.wanted();
        let take = |waiter: &mut Option<Waiter>, ready: bool| match waiter {
            Some(Waiter::Callback(handle)) if ready => Some(Waiter::Callback(handle.clone_ref(py))),
            Some(Waiter::Operation(_)) if ready => waiter.take(),
            _ => None,
        };
        let reader = take(&mut self.reader, event.ready.is_readable());
        let writer = take(&mut self.writer, event.ready.is_writable());
        let took = [&reader, &writer].into_iter().any(|w| matches!(w, Some(Waiter::Operation(_))));
        let (left, _) = self.wanted();
        // A one-shot registration is asleep now; a lasting one reports what nobody waits for.
        if !left.is_none() && (took || trigger == Trigger::Once) {
            // If the system refuses, the descriptor is gone, and with it whoever waited.
            let _: io::Result<()> = self.arm(event.token, selector, true);
        } else if left.is_none() && trigger == Trigger::Level {
            selector.deregister(self.fd);
        }
        Woken { reader, writer }
    }

    /// Drops who waits.
    pub fn release(self) {
        for waiter in [self.reader, self.writer].into_iter().flatten() {
            if let Waiter::Callback(handle) = waiter {
                handle.release();
            }
        }
    }

    /// A handle of this descriptor, to name it in a report.
    pub fn first<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self.reader.as_ref().or(self.writer.as_ref())? {
            Waiter::Callback(handle) => Some(handle.bind(py).to_owned()),
            Waiter::Operation(operation) => Some(operation.bind(py).to_owned()),
        }
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        [&self.reader, &self.writer]
            .into_iter()
            .flatten()
            .for_each(|waiter| waiter.traverse(visit));
    }
}

impl Woken {
    /// Runs whoever was woken, the reader first.
    pub fn run(self, slf: &Bound<'_, EventLoop>) -> PyResult<()> {
        // Both, whatever the first raises: a one-shot report does not come again.
        let mut outcome = Ok(());
        for waiter in [self.reader, self.writer].into_iter().flatten() {
            let run = waiter.run(slf);
            outcome = outcome.and(run);
        }
        outcome
    }
}

/// The descriptor of `object`: a number, or something with `fileno()`.
///
/// # Errors
///
/// `ValueError` if it is neither, or no descriptor.
pub fn fileno(object: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let number = match object.extract::<RawFd>() {
        Ok(number) => Ok(number),
        Err(_) => object
            .call_method0(intern!(object.py(), "fileno"))
            .and_then(|number| number.extract::<RawFd>()),
    };
    let Ok(number) = number else {
        return Err(PyValueError::new_err(format!("Invalid file object: {}", object.repr()?)));
    };
    if number < 0 {
        return Err(PyValueError::new_err(format!("Invalid file descriptor: {number}")));
    }
    Ok(number)
}

impl EventLoop {
    /// # Errors
    ///
    /// `RuntimeError` if a transport owns `fd`.
    pub fn check_no_transport(&self, py: Python<'_>, fd: RawFd) -> PyResult<()> {
        let owner = self.state(py, |state| {
            let token = state.token_of(fd)?;
            match state.sources.get(token) {
                Some(Source::Transport(transport)) if transport.owns(fd) => {
                    Some(transport.clone_ref(py))
                }
                _ => None,
            }
        });
        match owner {
            Some(transport) => Err(PyRuntimeError::new_err(format!(
                "File descriptor {fd} is used by transport {}",
                transport.object().bind(py).repr()?
            ))),
            None => Ok(()),
        }
    }

    /// Lets `waiter` wait for `fd`, in place of whoever waited there.
    ///
    /// # Errors
    ///
    /// `OSError` of the selector; then nothing has changed but that nobody waits.
    pub fn wait_for(
        &self,
        py: Python<'_>,
        fd: RawFd,
        direction: Direction,
        waiter: Waiter,
    ) -> PyResult<()> {
        let (replaced, lost, armed) = self.state(py, |state| {
            // A new token every time: an event that was reported before this wait began, for
            // whoever waited then, finds nobody. What still holds is reported again.
            let known = state.token_of(fd).and_then(|token| state.sources.remove(token));
            let (descriptor, lost) = match known {
                Some(Source::Descriptor(descriptor)) => (Some(descriptor), None),
                other => (None, other),
            };
            let known = descriptor.is_some();
            let fresh = descriptor.unwrap_or(Descriptor { fd, reader: None, writer: None });
            let (token, _) = state.insert_source(fd, Source::Descriptor(fresh));
            let Some(Source::Descriptor(descriptor)) = state.sources.get_mut(token) else {
                return (None, lost, Ok(()));
            };
            let replaced = descriptor.place(direction).replace(waiter);
            let armed = descriptor.arm(token, &self.selector, known);
            if armed.is_err() {
                let refused = descriptor.place(direction).take();
                let gone = state.sources.remove(token);
                return (replaced.or(refused), gone, armed);
            }
            (replaced, lost, Ok(()))
        });
        drop(lost);
        if let Some(replaced) = replaced {
            replaced.cancel(py)?;
        }
        armed.map_err(|error| os_error(&error))
    }

    /// Lets nobody wait for that direction of `fd` any more. Returns whether somebody did.
    fn give_up(&self, py: Python<'_>, fd: RawFd, direction: Direction) -> PyResult<bool> {
        let taken = self.state(py, |state| {
            let token = state.token_of(fd)?;
            let Some(Source::Descriptor(descriptor)) = state.sources.get_mut(token) else {
                return None;
            };
            let waiter = descriptor.place(direction).take()?;
            if descriptor.wanted().0.is_none() {
                self.selector.deregister(fd);
                drop(state.sources.remove(token));
            } else {
                // If the system refuses, the descriptor is gone, and with it whoever waited.
                let _: io::Result<()> = descriptor.arm(token, &self.selector, true);
            }
            Some(waiter)
        });
        match taken {
            None => Ok(false),
            Some(waiter) => waiter.cancel(py).map(|()| true),
        }
    }

    /// Ends the wait of `operation`, if it still waits.
    pub fn abandon(&self, py: Python<'_>, fd: RawFd, operation: &Instance<SocketOperation>) {
        let taken = self.state(py, |state| {
            let token = state.token_of(fd)?;
            let Some(Source::Descriptor(descriptor)) = state.sources.get_mut(token) else {
                return None;
            };
            let place =
                [&mut descriptor.reader, &mut descriptor.writer].into_iter().find(|place| {
                    place.as_ref().is_some_and(|waiter| waiter.is_operation(operation))
                })?;
            let taken = place.take();
            // A one-shot registration stays armed: at most it reports once, to nobody. A lasting
            // one would report for ever.
            let (left, trigger) = descriptor.wanted();
            if !left.is_none() && trigger == Trigger::Level {
                // If the system refuses, the descriptor is gone, and with it whoever waited.
                let _: io::Result<()> = descriptor.arm(token, &self.selector, true);
            }
            taken
        });
        drop(taken);
    }

    fn add_callback(
        slf: &Bound<'_, Self>,
        fd: RawFd,
        direction: Direction,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<Instance<Handle>> {
        let (py, this) = (slf.py(), slf.get());
        if !callback.is_callable() {
            let got = callback.repr()?;
            return Err(PyTypeError::new_err(format!("a callable object was expected, got {got}")));
        }
        let callback = Callback::new(callback, args)?;
        let handle = Handle::new(Pending::new(slf, callback, copy_context(py)?)?);
        let handle = Instance::new(py, handle)?;
        this.wait_for(py, fd, direction, Waiter::Callback(handle.clone_ref(py)))?;
        Ok(handle)
    }

    fn add(
        slf: &Bound<'_, Self>,
        fd: &Bound<'_, PyAny>,
        direction: Direction,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<Instance<Handle>> {
        slf.get().check_open()?;
        Self::add_callback(slf, fileno(fd)?, direction, callback, args)
    }
}

#[pymethods]
impl EventLoop {
    /// Call callback(*args) for as long as fd is readable, at each turn.
    #[pyo3(signature = (fd, callback, /, *args))]
    fn add_reader(
        slf: &Bound<'_, Self>,
        fd: &Bound<'_, PyAny>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        slf.get().check_no_transport(slf.py(), fileno(fd)?)?;
        Self::add(slf, fd, Direction::Read, callback, args).map(drop)
    }

    /// Call callback(*args) for as long as fd is writable, at each turn.
    #[pyo3(signature = (fd, callback, /, *args))]
    fn add_writer(
        slf: &Bound<'_, Self>,
        fd: &Bound<'_, PyAny>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        slf.get().check_no_transport(slf.py(), fileno(fd)?)?;
        Self::add(slf, fd, Direction::Write, callback, args).map(drop)
    }

    /// Stop what add_reader() began. Return whether there was something to stop.
    fn remove_reader(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        let fd = fileno(fd)?;
        slf.get().check_no_transport(slf.py(), fd)?;
        slf.get().give_up(slf.py(), fd, Direction::Read)
    }

    /// Stop what add_writer() began. Return whether there was something to stop.
    fn remove_writer(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        let fd = fileno(fd)?;
        slf.get().check_no_transport(slf.py(), fd)?;
        slf.get().give_up(slf.py(), fd, Direction::Write)
    }

    /// add_reader() for transports written in Python: without the check for transports.
    #[pyo3(signature = (fd, callback, /, *args))]
    fn _add_reader(
        slf: &Bound<'_, Self>,
        fd: &Bound<'_, PyAny>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        let handle = Self::add(slf, fd, Direction::Read, callback, args)?;
        Ok(handle.bind(slf.py()).to_owned().unbind())
    }

    /// add_writer() for transports written in Python: without the check for transports.
    #[pyo3(signature = (fd, callback, /, *args))]
    fn _add_writer(
        slf: &Bound<'_, Self>,
        fd: &Bound<'_, PyAny>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        let handle = Self::add(slf, fd, Direction::Write, callback, args)?;
        Ok(handle.bind(slf.py()).to_owned().unbind())
    }

    /// remove_reader() for transports written in Python.
    fn _remove_reader(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        slf.get().give_up(slf.py(), fileno(fd)?, Direction::Read)
    }

    /// remove_writer() for transports written in Python.
    fn _remove_writer(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        slf.get().give_up(slf.py(), fileno(fd)?, Direction::Write)
    }

    /// Raise RuntimeError if a transport of this loop owns fd.
    fn _ensure_fd_no_transport(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().check_no_transport(slf.py(), fileno(fd)?)
    }
}
