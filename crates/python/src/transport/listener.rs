//! A listening socket, and the connections that it takes in.

use super::stream::{Parts, StreamTransport};
use crate::capi::intern;
use crate::capi::{Obj, Visit, call, copy_context, copy_of, run_in};
use crate::errors::{self, os_error};
use crate::event_loop::{EventLoop, Source};
use nalsil_driver::sys::net::{self, Address};
use nalsil_driver::{Interest, Token, Trigger};
use pyo3::prelude::*;
use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Seconds that a server rests when the system has no room for another connection.
const REST: f64 = 1.0;

/// A listening socket of a server.
pub struct Listener {
    fd: RawFd,
    socket: Obj,
    factory: Obj,
    server: Obj,
    /// Makes a TLS transport for a protocol, which then stands in its place.
    wrap: Option<Obj>,
    context: Obj,
    /// How many connections are taken in a turn at most.
    batch: usize,
    /// How many were tried for last, and at which poll of the loop.
    tried: AtomicUsize,
    polls: AtomicU64,
    stopped: AtomicBool,
}

impl Listener {
    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        for object in [&self.socket, &self.factory, &self.server, &self.context] {
            visit.object(object);
        }
        self.wrap.iter().for_each(|object| visit.object(object));
    }

    /// Connections wait: takes as many as one turn takes.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn accept(&self, slf: &Bound<'_, EventLoop>, token: Token) -> PyResult<()> {
        for _ in 0..self.expected(slf) {
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(());
            }
            match net::accept(self.fd) {
                Ok((fd, peer)) => self.take_in(slf, fd, peer)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if net::is_gone_before_accept(&error) => {}
                Err(error) => return self.rest(slf, token, &error),
            }
        }
        Ok(())
    }

    /// How many connections to try for: one, and twice as many each time that more wait at the next
    /// poll. Connections that come one by one cost one system call each.
    fn expected(&self, slf: &Bound<'_, EventLoop>) -> usize {
        let polls = slf.get().state(slf.py(), |state| state.core.counts().polls);
        let burst = self.polls.swap(polls, Ordering::Relaxed) + 1 == polls;
        let tried = if burst { 2 * self.tried.load(Ordering::Relaxed) } else { 1 };
        let expected = tried.clamp(1, self.batch);
        self.tried.store(expected, Ordering::Relaxed);
        expected
    }

    /// Stops listening for a while: the connections stay in the system's queue, and an error that
    /// stays is not met at every turn.
    fn rest(&self, slf: &Bound<'_, EventLoop>, token: Token, error: &io::Error) -> PyResult<()> {
        let py = slf.py();
        slf.get().selector().deregister(self.fd);
        let more = [("socket", self.socket.bind(py).to_owned())];
        let message = if net::is_out_of_resources(error) {
            "socket.accept() out of system resource"
        } else {
            "socket.accept() failed"
        };
        errors::report(slf, message, os_error(error), &more)?;
        let again = slf.getattr(intern!(py, "_resume_listening"))?;
        let arguments = (REST, again, self.fd, token.to_bits());
        slf.call_method1(intern!(py, "call_later"), arguments).map(drop)
    }

    fn take_in(&self, slf: &Bound<'_, EventLoop>, fd: RawFd, peer: Address) -> PyResult<()> {
        let py = slf.py();
        let context = copy_of(&self.context.bind(py))?;
        let taken = run_in(py, &context.bind(py), || self.connect(slf, fd, peer));
        match taken {
            Ok(()) => Ok(()),
            Err(error) => {
                let message = "Error on transport creation for incoming connection";
                errors::report(slf, message, error, &[])
            }
        }
    }

    /// Makes protocol and transport of a connection, in its context.
    fn connect(&self, slf: &Bound<'_, EventLoop>, fd: RawFd, peer: Address) -> PyResult<()> {
        let py = slf.py();
        let fresh = Fresh(Cell::new(fd));
        let mut protocol = self.factory.bind(py).call0()?;
        if let Some(wrap) = self.wrap.as_ref() {
            protocol = call(&wrap.bind(py), [&protocol])?;
        }
        let server = self.server.bind(py);
        let parts = Parts {
            fd,
            socket: None,
            shared: false,
            protocol: &protocol,
            peer: Some(peer),
            server: Some(&server),
            waiter: None,
            extra: None,
        };
        let transport = StreamTransport::create(slf, parts)?;
        fresh.release();
        let line = ("%r got a new connection: %r", &server, transport.bind(py));
        let logged = super::log_in_debug(slf, line, None);
        transport.start(py).and(logged)
    }
}

/// A descriptor that is closed unless somebody takes it.
struct Fresh(Cell<RawFd>);

impl Fresh {
    /// Leaves the descriptor to somebody else.
    fn release(&self) {
        self.0.set(-1);
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.0.get() >= 0 {
            net::close(self.0.get());
        }
    }
}

#[pymethods]
impl EventLoop {
    /// Take connections in from a listening, non-blocking socket. Runs once per socket.
    #[pyo3(signature = (sock, protocol_factory, server, backlog, wrap=None))]
    fn _listen(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        protocol_factory: &Bound<'_, PyAny>,
        server: &Bound<'_, PyAny>,
        backlog: usize,
        wrap: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.check_open()?;
        let fd: RawFd = sock.call_method0(intern!(py, "fileno"))?.extract()?;
        let listener = Listener {
            fd,
            socket: Obj::from(sock),
            factory: Obj::from(protocol_factory),
            server: Obj::from(server),
            wrap: wrap.map(Obj::from),
            context: copy_context(py)?,
            batch: backlog.clamp(1, 1024),
            tried: AtomicUsize::new(0),
            polls: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        };
        let source = Source::Listener(Arc::new(listener));
        let (token, replaced) = this.state(py, |state| state.insert_source(fd, source));
        drop(replaced);
        let armed = this.selector().register(fd, token, Interest::READABLE, Trigger::Level, false);
        armed.map_err(|error| os_error(&error))
    }

    /// Take connections in again after a rest, unless the listener is gone.
    fn _resume_listening(slf: &Bound<'_, Self>, fd: RawFd, token: u64) -> PyResult<()> {
        let (py, this, token) = (slf.py(), slf.get(), Token::from_bits(token));
        if this.state(py, |state| state.sources.get(token).is_none()) {
            return Ok(());
        }
        let armed = this.selector().register(fd, token, Interest::READABLE, Trigger::Level, false);
        armed.map_err(|error| os_error(&error))
    }

    /// Take no more connections in from a socket. Does nothing if none were.
    fn _unlisten(slf: &Bound<'_, Self>, fd: RawFd) {
        let (py, this) = (slf.py(), slf.get());
        let source = this.state(py, |state| {
            let token = state.token_of(fd)?;
            match state.sources.get(token) {
                Some(Source::Listener(listener)) => listener.stopped.store(true, Ordering::Relaxed),
                _ => return None,
            }
            state.sources.remove(token)
        });
        if source.is_some() {
            this.selector().deregister(fd);
        }
    }
}
