//! What a transport could not send yet.

use crate::capi::{Obj, ReadView, Visit};
use nalsil_driver::sys::net::{self, MAX_BUFFERS};
use nalsil_driver::sys::pipe;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;

enum Data {
    /// A bytes object: nobody can change it, so it is kept as it is.
    Bytes(Obj),
    /// A copy of something that its owner may change.
    Copy(Vec<u8>),
}

struct Chunk {
    data: Data,
    sent: usize,
}

impl Chunk {
    fn rest<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        let all = match &self.data {
            Data::Bytes(object) => object.as_bytes(py).unwrap_or_default(),
            Data::Copy(copy) => copy,
        };
        all.get(self.sent..).unwrap_or_default()
    }
}

/// The content of what may be written and is not bytes.
///
/// # Errors
///
/// `TypeError` for what asyncio's transports refuse.
pub fn bytes_like(data: &Bound<'_, PyAny>) -> PyResult<ReadView> {
    if data.is_instance_of::<PyByteArray>() || data.is_instance_of::<PyMemoryView>() {
        return ReadView::new(data);
    }
    Err(PyTypeError::new_err(format!(
        "data argument must be a bytes-like object, not {}",
        data.get_type().name()?.repr()?
    )))
}

/// The system calls that send: one piece, and several.
pub struct Calls {
    one: fn(RawFd, &[u8]) -> io::Result<usize>,
    several: fn(RawFd, &[IoSlice<'_>]) -> io::Result<usize>,
}

/// To a socket, in whatever mode it is.
pub const TO_SOCKET: Calls = Calls { one: net::send, several: net::send_vectored };
/// To whatever is in non-blocking mode.
pub const TO_PIPE: Calls = Calls { one: pipe::write, several: pipe::write_vectored };

/// Chunks in the order of the writes.
#[derive(Default)]
pub struct WriteQueue {
    chunks: VecDeque<Chunk>,
    size: usize,
}

impl WriteQueue {
    /// How many bytes wait.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Queues what follows the first `sent` bytes of a bytes object of `length` bytes.
    pub fn push_bytes(&mut self, object: Obj, length: usize, sent: usize) {
        self.size += length - sent;
        self.chunks.push_back(Chunk { data: Data::Bytes(object), sent });
    }

    /// Queues a copy of `data`.
    pub fn push_copy(&mut self, data: &[u8]) {
        self.size += data.len();
        self.chunks.push_back(Chunk { data: Data::Copy(data.to_vec()), sent: 0 });
    }

    /// Sends what the system takes. Returns what was sent whole, to be dropped where dropping may
    /// run code, and how it ended; being told to wait is a good end.
    pub fn send(&mut self, py: Python<'_>, fd: RawFd, calls: &Calls) -> (Vec<Obj>, io::Result<()>) {
        let mut done = Vec::new();
        while !self.chunks.is_empty() {
            match self.send_once(py, fd, calls) {
                Ok((sent, offered)) => {
                    self.advance(py, sent, &mut done);
                    if sent < offered {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return (done, Err(error)),
            }
        }
        (done, Ok(()))
    }

    fn send_once(&self, py: Python<'_>, fd: RawFd, calls: &Calls) -> io::Result<(usize, usize)> {
        if let [only] = self.chunks.as_slices().0
            && self.chunks.len() == 1
        {
            let rest = only.rest(py);
            return (calls.one)(fd, rest).map(|sent| (sent, rest.len()));
        }
        let mut buffers = [IoSlice::new(&[]); MAX_BUFFERS];
        let mut offered = 0;
        let mut count = 0;
        for (buffer, chunk) in buffers.iter_mut().zip(&self.chunks) {
            let rest = chunk.rest(py);
            offered += rest.len();
            count += 1;
            *buffer = IoSlice::new(rest);
        }
        (calls.several)(fd, &buffers[..count]).map(|sent| (sent, offered))
    }

    fn advance(&mut self, py: Python<'_>, mut sent: usize, done: &mut Vec<Obj>) {
        self.size -= sent;
        while let Some(chunk) = self.chunks.front_mut() {
            let rest = chunk.rest(py).len();
            if rest > sent {
                chunk.sent += sent;
                return;
            }
            sent -= rest;
            if let Some(Chunk { data: Data::Bytes(object), .. }) = self.chunks.pop_front() {
                done.push(object);
            }
        }
    }

    /// Forgets everything. The caller drops it where dropping may run code.
    pub fn take(&mut self) -> WriteQueue {
        std::mem::take(self)
    }

    /// For the garbage collector. Bytes hold no references, but subclasses may.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        for chunk in &self.chunks {
            if let Data::Bytes(object) = &chunk.data {
                visit.object(object);
            }
        }
    }
}
