//! What arrives: decrypted, and given to the protocol.

use super::engine::Engine;
use super::{FATAL, State, TlsTransport};
use crate::capi::{BytesWriter, Instance, as_bytes};
use crate::event_loop::Ready;
use crate::transport::protocol::Delivery;
use pyo3::prelude::*;
use std::mem::MaybeUninit;

/// The most data that the protocol gets at a time: as much as malloc gives from its heap.
const MOST: usize = 124 * 1024;

/// Ciphertext that has arrived, and is handed to OpenSSL in slices.
pub struct Feed<'a>(&'a [u8]);

impl<'a> Feed<'a> {
    /// All of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Feed(data)
    }

    fn next(&mut self, engine: &Engine) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (slice, rest) = self.0.split_at(engine.slice(self.0));
        self.0 = rest;
        Some(slice)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// What reading into some room has led to.
struct Filled {
    count: usize,
    /// Whether the peer has ended its direction.
    ended: bool,
    failure: Option<PyErr>,
}

impl TlsTransport {
    fn may_read(&self) -> bool {
        if self.paused.get() || self.closed_by_user.get() {
            return false;
        }
        self.in_state(State::Open) || self.in_state(State::Flushing) && self.lower_ended.get()
    }
}

impl Instance<TlsTransport> {
    /// Gives the protocol what has arrived, as far as it takes it, and sends what OpenSSL answers.
    pub(super) fn read(&self, py: Python<'_>, feed: &mut Feed<'_>) -> PyResult<()> {
        while self.may_read() {
            let more = match self.protocol.delivery() {
                Delivery::Buffered => self.read_into_buffer(py, feed)?,
                Delivery::Data | Delivery::Tls => self.read_data(py, feed)?,
            };
            if !more {
                break;
            }
        }
        let rest = feed.rest();
        if !rest.is_empty() && !self.in_state(State::Closed) {
            self.engine.give(py, rest)?;
        }
        match self.state.get() {
            State::Open => {
                self.pump(py)?;
                self.flush(py)
            }
            // The protocol has closed the connection; what came behind may be the peer's last word.
            State::Flushing | State::Shutdown if !rest.is_empty() => self.go_on_closing(py),
            _ => Ok(()),
        }
    }

    /// Reads into a bytes object of the size of what has arrived. Returns whether there may be
    /// more.
    fn read_data(&self, py: Python<'_>, feed: &mut Feed<'_>) -> PyResult<bool> {
        if !self.top_up(py, feed)? {
            return Ok(false);
        }
        // Data is never longer than its ciphertext; if it were, the next round would get the rest.
        let arrived = self.engine.incoming_size(py)? + feed.0.len();
        let mut bytes = BytesWriter::with_room(py, self.engine.room_for(arrived).min(MOST))?;
        let filled = self.fill(py, feed, bytes.room());
        if filled.count > 0 {
            let data = bytes.finish(filled.count)?;
            match self.protocol.tls(py) {
                Some(tls) => tls.feed(py, as_bytes(&data).unwrap_or_default())?,
                None => self.protocol.data_received(&data)?,
            }
        }
        self.finish_round(py, filled)
    }

    /// Reads into the protocol's buffer. Returns whether there may be more.
    fn read_into_buffer(&self, py: Python<'_>, feed: &mut Feed<'_>) -> PyResult<bool> {
        if !self.top_up(py, feed)? {
            return Ok(false);
        }
        let hint = self.engine.incoming_size(py)?.cast_signed();
        let Some(mut buffer) = self.protocol.buffer(py, hint)? else { return Ok(false) };
        // The protocol's `get_buffer` may have paused or closed the transport.
        if !self.may_read() {
            return Ok(false);
        }
        let filled = self.fill(py, feed, buffer.as_mut_slice());
        drop(buffer);
        if filled.count > 0 {
            self.protocol.buffer_updated(py, filled.count)?;
        }
        self.finish_round(py, filled)
    }

    fn finish_round(&self, py: Python<'_>, filled: Filled) -> PyResult<bool> {
        // The protocol may have aborted the connection meanwhile.
        if self.in_state(State::Closed) {
            return Ok(false);
        }
        if let Some(error) = filled.failure {
            return Err(error);
        }
        if filled.ended {
            self.peer_ended(py)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Hands OpenSSL slices until it can do something. Returns false if they do not suffice.
    fn top_up(&self, py: Python<'_>, feed: &mut Feed<'_>) -> PyResult<bool> {
        while !self.engine.is_ready(py)? {
            match feed.next(&self.engine) {
                Some(slice) => self.engine.give(py, slice)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Decrypts into `room` until it is full or there is no more.
    fn fill(&self, py: Python<'_>, feed: &mut Feed<'_>, room: &mut [MaybeUninit<u8>]) -> Filled {
        let mut filled = Filled { count: 0, ended: false, failure: None };
        while filled.count < room.len() {
            let read = match self.top_up(py, feed) {
                Ok(true) => self.engine.read(py, &mut room[filled.count..]),
                Ok(false) => break,
                Err(error) => Err(error),
            };
            match read {
                Ok(Some(0)) => filled.ended = true,
                Ok(Some(count)) => {
                    filled.count += count;
                    continue;
                }
                // A record of the handshake, or the beginning of one of data.
                Ok(None) => continue,
                Err(error) => filled.failure = Some(error),
            }
            break;
        }
        filled
    }

    /// Takes in no more for now. What has arrived already is kept.
    pub fn pause_reading(&self, py: Python<'_>) {
        self.paused.set(true);
        if self.in_state(State::Open)
            && let Some(lower) = self.lower(py)
        {
            lower.pause_reading(py);
        }
    }

    /// Takes in again what arrives, and in the next turn what was kept.
    ///
    /// # Errors
    ///
    /// `OSError` if the descriptor cannot be watched.
    pub fn resume_reading(&self, py: Python<'_>) -> PyResult<()> {
        if !self.paused.replace(false) {
            return Ok(());
        }
        if self.in_state(State::Open)
            && let Some(lower) = self.lower(py)
        {
            lower.resume_reading(py)?;
        }
        let kept = self.in_state(State::Open) && self.engine.is_ready(py)?;
        if kept || self.in_state(State::Flushing) && self.lower_ended.get() {
            self.event_loop(py)?.get().push(py, Ready::Decrypt(self.clone_ref(py)));
        }
        Ok(())
    }

    /// Gives the protocol what was kept while it did not read.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn go_on_reading(&self, py: Python<'_>) -> PyResult<()> {
        let Some(lower) = self.lower(py) else { return Ok(()) };
        let done = lower.in_context(py, || match self.state.get() {
            State::Open => self.read(py, &mut Feed::new(&[])),
            State::Flushing if self.lower_ended.get() => self.finish_reading(py),
            _ => Ok(()),
        });
        self.or_fatal(py, done, FATAL)
    }
}
