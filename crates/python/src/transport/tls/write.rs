//! What is sent: encrypted at once if it goes, queued if it does not.

use super::engine::RECORD;
use super::{FATAL, State, TlsTransport};
use crate::capi::intern;
use crate::capi::{Instance, Obj, ReadView, as_bytes};
use crate::imports::imports;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

/// How many writes to a lost connection pass in silence; asyncio's number.
const SILENT_WRITES: u32 = 5;
/// How much is encrypted before the ciphertext is taken out: OpenSSL's buffer never shrinks, so it
/// stays as large as the most that was ever in it.
const DRAIN: usize = RECORD;
/// How much is encrypted before it is sent, at most: as much as one system call takes well.
const BATCH: usize = 8 * RECORD;

/// Ciphertext on its way to the transport below.
#[derive(Default)]
struct Batch {
    records: Vec<Obj>,
    /// Bytes of data in it.
    size: usize,
    /// Bytes of data whose ciphertext OpenSSL still has.
    inside: usize,
}

impl TlsTransport {
    fn takes_writes(&self) -> bool {
        matches!(self.state.get(), State::New | State::Handshake | State::Open)
    }

    /// Whether data can be encrypted and sent now.
    fn may_encrypt(&self) -> bool {
        (self.in_state(State::Open) || self.in_state(State::Flushing)) && !self.lower_paused.get()
    }

    fn warn_of_lost_write(&self, py: Python<'_>) -> PyResult<()> {
        if self.lost_writes.get() >= SILENT_WRITES {
            let text = "SSL connection is closed";
            imports(py)?.logger.bind(py).call_method1(intern!(py, "warning"), (text,))?;
        }
        self.lost_writes.set(self.lost_writes.get().saturating_add(1));
        Ok(())
    }
}

impl Instance<TlsTransport> {
    /// Encrypts and sends `data`, or as much as goes, and queues the rest.
    ///
    /// # Errors
    ///
    /// `TypeError` for what is not bytes-like; an exception that ends the run.
    pub fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = data.py();
        match as_bytes(data) {
            Some(content) => self.write_content(py, content, || Ok(Obj::from(data))),
            None => {
                let view = view(data)?;
                let content = view.as_slice();
                self.write_content(py, content, || Ok(Obj::from(PyBytes::new(py, content))))
            }
        }
    }

    /// `object` gives a bytes object of `content`, for what has to wait.
    fn write_content(
        &self,
        py: Python<'_>,
        content: &[u8],
        object: impl FnOnce() -> PyResult<Obj>,
    ) -> PyResult<()> {
        if content.is_empty() {
            return Ok(());
        }
        if !self.takes_writes() {
            return self.warn_of_lost_write(py);
        }
        let mut done = Ok(0);
        if self.backlog.borrow().is_empty() && self.in_state(State::Open) {
            done = self.send_directly(py, content);
        }
        let queued = done.and_then(|done| {
            if done < content.len() && self.takes_writes() {
                let rest = object()?;
                self.backlog.borrow_mut().push(rest, content.len(), done);
            }
            self.control_protocol(py)
        });
        self.or_fatal(py, queued, FATAL)
    }

    /// Encrypts and sends what goes of `content`, and returns how much that was.
    fn send_directly(&self, py: Python<'_>, content: &[u8]) -> PyResult<usize> {
        let mut done = 0;
        while done < content.len() && self.may_encrypt() {
            let mut batch = Batch::default();
            let count = self.encrypt(py, &content[done..], &mut batch)?;
            done += count;
            self.send(py, batch)?;
            if count == 0 {
                break;
            }
        }
        Ok(done)
    }

    /// Encrypts `content` until the batch is full, and returns how much of it that was. If it is
    /// less than there was room for, OpenSSL waits for the peer.
    fn encrypt(&self, py: Python<'_>, content: &[u8], batch: &mut Batch) -> PyResult<usize> {
        let mut done = 0;
        while done < content.len() && batch.size < BATCH {
            let part = &content[done..content.len().min(done + RECORD)];
            let Some(count) = self.engine.write(py, part)? else { break };
            done += count;
            batch.size += count;
            batch.inside += count;
            if batch.inside >= DRAIN {
                batch.inside = 0;
                batch.records.push(self.engine.take_outgoing(py)?);
            }
        }
        Ok(done)
    }

    /// Sends a batch, and what else OpenSSL has to say.
    fn send(&self, py: Python<'_>, mut batch: Batch) -> PyResult<()> {
        if batch.inside > 0 || batch.size == 0 && self.engine.has_outgoing(py)? {
            batch.records.push(self.engine.take_outgoing(py)?);
        }
        match self.lower(py) {
            Some(lower) if !batch.records.is_empty() => lower.write(py, batch.records),
            _ => Ok(()),
        }
    }

    /// Sends what OpenSSL has to say by itself.
    pub(super) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.send(py, Batch::default())
    }

    /// Encrypts and sends from the queue what goes.
    pub(super) fn pump(&self, py: Python<'_>) -> PyResult<()> {
        if self.backlog.borrow().is_empty() {
            return Ok(());
        }
        let mut gathered = Vec::new();
        let mut blocked = false;
        while self.may_encrypt() && !blocked && !self.backlog.borrow().is_empty() {
            let mut batch = Batch::default();
            while batch.size < BATCH && !blocked && !self.backlog.borrow().is_empty() {
                blocked = !self.encrypt_queued(py, &mut gathered, &mut batch)?;
            }
            self.send(py, batch)?;
        }
        self.control_protocol(py)
    }

    /// Encrypts from the front of the queue. Small chunks share a record. Returns false if OpenSSL
    /// waits for the peer.
    fn encrypt_queued(
        &self,
        py: Python<'_>,
        gathered: &mut Vec<u8>,
        batch: &mut Batch,
    ) -> PyResult<bool> {
        let small = self.backlog.borrow().gather(py, gathered, RECORD);
        let count = if small {
            self.encrypt(py, gathered, batch)?
        } else {
            let first = self.backlog.borrow().first(py);
            let Some((chunk, done)) = first else { return Ok(true) };
            let content = chunk.as_bytes(py).unwrap_or_default();
            self.encrypt(py, content.get(done..).unwrap_or_default(), batch)?
        };
        let gone = self.backlog.borrow_mut().advance(py, count);
        drop(gone);
        Ok(count > 0)
    }

    /// Encrypts and sends a list of pieces.
    ///
    /// # Errors
    ///
    /// Those of [`Self::write`].
    pub fn write_lines(&self, pieces: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = pieces.py();
        let mut objects = Vec::new();
        for piece in pieces.try_iter()? {
            let piece = piece?;
            objects.push(match as_bytes(&piece) {
                Some(_) => Obj::from(piece),
                None => Obj::from(PyBytes::new(py, view(&piece)?.as_slice())),
            });
        }
        self.write_objects(py, objects)
    }

    /// Encrypts and sends bytes objects.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn write_objects(&self, py: Python<'_>, objects: Vec<Obj>) -> PyResult<()> {
        if !self.takes_writes() {
            return self.warn_of_lost_write(py);
        }
        for object in objects {
            self.queue(py, object);
        }
        let sent =
            if self.in_state(State::Open) { self.pump(py) } else { self.control_protocol(py) };
        self.or_fatal(py, sent, FATAL)
    }

    /// Queues a bytes object.
    pub(super) fn queue(&self, py: Python<'_>, object: Obj) {
        let length = object.as_bytes(py).map_or(0, <[u8]>::len);
        if length > 0 {
            self.backlog.borrow_mut().push(object, length, 0);
        }
    }

    /// There is room below again.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn resume_lower_writing(&self, py: Python<'_>) -> PyResult<()> {
        self.lower_paused.set(false);
        let sent = match self.state.get() {
            State::Open => self.pump(py),
            State::Flushing => self.go_on_closing(py),
            _ => Ok(()),
        };
        self.or_fatal(py, sent, FATAL)
    }

    /// Pauses the protocol, or lets it go on, by the size of the queue.
    pub(super) fn control_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let size = self.backlog.borrow().size();
        let paused = self.protocol_paused.get();
        let (told, message) = if size > self.high_write.get() && !paused {
            self.protocol_paused.set(true);
            (self.protocol.pause_writing(py), "protocol.pause_writing() failed")
        } else if size <= self.low_write.get() && paused {
            self.protocol_paused.set(false);
            (self.protocol.resume_writing(py), "protocol.resume_writing() failed")
        } else {
            return Ok(());
        };
        told.or_else(|error| self.report(py, message, error))
    }
}

fn view(data: &Bound<'_, PyAny>) -> PyResult<ReadView> {
    if data.is_instance_of::<PyByteArray>() || data.is_instance_of::<PyMemoryView>() {
        return ReadView::new(data);
    }
    let class = data.get_type();
    let text = format!("data: expecting a bytes-like instance, got {}", class.name()?);
    Err(PyTypeError::new_err(text))
}
