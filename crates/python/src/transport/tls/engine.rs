//! OpenSSL, as Python's `ssl` lends it: the object that encrypts and decrypts, and the two buffers
//! of ciphertext through which it talks to the peer.

use super::records::Records;
use crate::capi::intern;
use crate::capi::{Loan, Obj, Slot, Visit, as_bytes, call_method};
use crate::imports::{TlsImports, tls_imports};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;

/// The most data that goes into one record, in bytes.
pub const RECORD: usize = 16 * 1024;
/// How much ciphertext OpenSSL gets at a time: a record of TLS 1.3 at its longest. The buffer never
/// shrinks, so it stays as large as the most that was ever in it; half a record that is left in it
/// when more comes makes it larger.
const SLICE: usize = RECORD + 256 + 5;

/// The methods of an `SSLObject` that are called while it works.
const METHODS: [&str; 5] = ["read", "write", "do_handshake", "unwrap", "pending"];

/// The encryption of one connection. A result of `None` says that it needs more from the peer.
pub struct Engine {
    /// What the context has made: an `ssl.SSLObject`, or something that acts like one.
    object: Slot,
    /// The C object inside, unless the methods of `object` are somebody's own.
    inner: Slot,
    incoming: Slot,
    outgoing: Slot,
    loan: Slot,
    records: RefCell<Records>,
    /// How much has arrived and was not used yet, if that is known without asking.
    left: Cell<Option<usize>>,
    /// Whether nothing waits to be taken, as far as that is known without asking.
    taken: Cell<bool>,
    /// Whether everything that has arrived was used up.
    starved: Cell<bool>,
    /// Whether the last read filled its room, so that there may be more of the same record.
    filled: Cell<bool>,
}

impl Engine {
    /// The engine of a new connection.
    ///
    /// # Errors
    ///
    /// What the context raises.
    pub fn new(
        context: &Bound<'_, PyAny>,
        server_side: bool,
        server_hostname: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let py = context.py();
        let imports = tls_imports(py)?;
        let incoming = imports.memory_bio.bind(py).call0()?;
        let outgoing = imports.memory_bio.bind(py).call0()?;
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "server_side"), server_side)?;
        keywords.set_item(intern!(py, "server_hostname"), server_hostname)?;
        let buffers = (&incoming, &outgoing);
        let object = context.call_method(intern!(py, "wrap_bio"), buffers, Some(&keywords))?;
        let inner = inner_of(&object, imports)?;
        Ok(Engine {
            object: Slot::new(object),
            inner: inner.map_or_else(Slot::default, Slot::new),
            incoming: Slot::new(incoming),
            outgoing: Slot::new(outgoing),
            loan: Slot::new(Loan::new(py)?),
            records: RefCell::default(),
            left: Cell::new(Some(0)),
            taken: Cell::new(true),
            starved: Cell::new(true),
            filled: Cell::new(false),
        })
    }

    /// What `get_extra_info("ssl_object")` gives.
    pub fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.object.get_or_none(py)
    }

    fn loan<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Loan>> {
        Ok(self.loan.get_or_none(py).cast_into::<Loan>()?)
    }

    /// Takes ciphertext in that has arrived.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn give(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        self.records.borrow_mut().see(data);
        self.starved.set(false);
        self.left.set(self.left.get().map(|left| left + data.len()));
        let (loan, incoming) = (self.loan(py)?, self.incoming.get_or_none(py));
        Loan::of_bytes(&loan, data, |data| call_method(&incoming, intern!(py, "write"), [data]))?;
        Ok(())
    }

    /// How much of `data` that has arrived to take in next.
    pub fn slice(&self, data: &[u8]) -> usize {
        self.records.borrow().slice(data, SLICE)
    }

    /// Whether there may be something to read, or a step of the handshake to make.
    ///
    /// # Errors
    ///
    /// What an `SSLObject` with methods of its own raises.
    pub fn is_ready(&self, py: Python<'_>) -> PyResult<bool> {
        if self.filled.get() {
            if self.call(py, intern!(py, "pending"), intern!(py, "pending"))?.extract::<usize>()?
                > 0
            {
                return Ok(true);
            }
            self.filled.set(false);
        }
        if self.starved.get() || !self.inner.is_set() {
            return Ok(!self.starved.get());
        }
        let left = self.incoming_size(py)?;
        Ok(self.records.borrow().ready(left))
    }

    /// Room for the data of `arrived` bytes of ciphertext, and what is decrypted already.
    pub fn room_for(&self, arrived: usize) -> usize {
        let is_known = self.inner.is_set() && !self.filled.get();
        if is_known { arrived.max(1) } else { arrived.max(RECORD) }
    }

    /// How much ciphertext has arrived and was not used yet, in bytes.
    ///
    /// # Errors
    ///
    /// None, unless the collector has cleared the engine.
    pub fn incoming_size(&self, py: Python<'_>) -> PyResult<usize> {
        if let Some(left) = self.left.get() {
            return Ok(left);
        }
        let left = self.incoming.get_or_none(py).getattr(intern!(py, "pending"))?.extract()?;
        self.left.set(Some(left));
        Ok(left)
    }

    /// Whether ciphertext waits to be taken.
    ///
    /// # Errors
    ///
    /// None, unless the collector has cleared the engine.
    pub fn has_outgoing(&self, py: Python<'_>) -> PyResult<bool> {
        if self.taken.get() {
            return Ok(false);
        }
        let pending = self.outgoing.get_or_none(py).getattr(intern!(py, "pending"))?;
        let has_outgoing = pending.extract::<usize>()? > 0;
        self.taken.set(!has_outgoing);
        Ok(has_outgoing)
    }

    /// Takes the ciphertext that is to be sent, as a bytes object.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn take_outgoing(&self, py: Python<'_>) -> PyResult<Obj> {
        let outgoing = self.outgoing.get_or_none(py);
        self.taken.set(true);
        Ok(Obj::from(call_method(&outgoing, intern!(py, "read"), [])?))
    }

    /// Reads data of at most one record into `room`, which is not empty. Zero: the peer has ended
    /// its direction as TLS asks for.
    ///
    /// # Errors
    ///
    /// `SSLError` for what the peer must not send.
    pub fn read(&self, py: Python<'_>, room: &mut [MaybeUninit<u8>]) -> PyResult<Option<usize>> {
        let size = room.len();
        let read = match self.inner.get(py) {
            Some(inner) => {
                let loan = self.loan(py)?;
                // Zero stands for the size of the buffer.
                let all = 0i32.into_pyobject(py)?.into_any();
                Loan::of_room(&loan, room, |room| -> PyResult<usize> {
                    call_method(&inner, intern!(py, "read"), [&all, room])?.extract()
                })
            }
            None => self.read_by_object(py, room),
        };
        self.worked();
        let read = match read {
            Err(error) if error.is_instance(py, &tls_imports(py)?.zero_return.bind(py)) => Ok(0),
            read => read,
        };
        let read = self.or_starved(py, read)?;
        self.filled.set(read == Some(size));
        Ok(read)
    }

    fn read_by_object(&self, py: Python<'_>, room: &mut [MaybeUninit<u8>]) -> PyResult<usize> {
        let most = room.len().min(RECORD).into_pyobject(py)?.into_any();
        let data = call_method(&self.object(py), intern!(py, "read"), [&most])?;
        let bytes = as_bytes(&data).filter(|bytes| bytes.len() <= room.len());
        let Some(bytes) = bytes else {
            return Err(PyValueError::new_err(format!(
                "SSLObject.read({most}) returned {}",
                data.repr()?
            )));
        };
        for (place, byte) in room.iter_mut().zip(bytes) {
            place.write(*byte);
        }
        Ok(bytes.len())
    }

    /// Encrypts the first bytes of `data`, which is not empty, and returns how many they are.
    ///
    /// # Errors
    ///
    /// `SSLError`.
    pub fn write(&self, py: Python<'_>, data: &[u8]) -> PyResult<Option<usize>> {
        let written = match self.inner.get(py) {
            Some(inner) => {
                let loan = self.loan(py)?;
                Loan::of_bytes(&loan, data, |data| -> PyResult<usize> {
                    call_method(&inner, intern!(py, "write"), [data])?.extract()
                })
            }
            None => {
                let copy = PyBytes::new(py, &data[..data.len().min(RECORD)]).into_any();
                let written = call_method(&self.object(py), intern!(py, "write"), [&copy]);
                written.and_then(|written| written.extract())
            }
        };
        self.worked();
        self.or_more(py, written)
    }

    /// Makes a step of the handshake. `Some`: it is done.
    ///
    /// # Errors
    ///
    /// What the handshake raises.
    pub fn do_handshake(&self, py: Python<'_>) -> PyResult<Option<()>> {
        let name = intern!(py, "do_handshake");
        let made = self.call(py, name, name).map(drop);
        self.worked();
        self.or_starved(py, made)
    }

    /// Ends our direction, and looks whether the peer has ended its own. `Some`: it has.
    ///
    /// # Errors
    ///
    /// `SSLError`.
    pub fn shut_down(&self, py: Python<'_>) -> PyResult<Option<()>> {
        let ended = self.call(py, intern!(py, "shutdown"), intern!(py, "unwrap")).map(drop);
        self.worked();
        self.or_starved(py, ended)
    }

    /// Notes that OpenSSL may have taken something in, and put something out.
    fn worked(&self) {
        self.left.set(None);
        self.taken.set(false);
    }

    /// Calls a method of the C object, or the one of the `SSLObject` that stands for it.
    fn call<'py>(
        &self,
        py: Python<'py>,
        inner_name: &Bound<'py, pyo3::types::PyString>,
        name: &Bound<'py, pyo3::types::PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.inner.get(py) {
            Some(inner) => call_method(&inner, inner_name, []),
            None => call_method(&self.object(py), name, []),
        }
    }

    fn or_starved<T>(&self, py: Python<'_>, outcome: PyResult<T>) -> PyResult<Option<T>> {
        let outcome = self.or_more(py, outcome)?;
        if outcome.is_none() {
            self.starved.set(true);
        }
        Ok(outcome)
    }

    /// Turns the exceptions that say "not now" into `None`.
    fn or_more<T>(&self, py: Python<'_>, outcome: PyResult<T>) -> PyResult<Option<T>> {
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let imports = tls_imports(py)?;
        let later = [&imports.want_read, &imports.want_write, &imports.syscall_error];
        if later.iter().any(|class| error.is_instance(py, &class.bind(py))) {
            return Ok(None);
        }
        Err(error)
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        self.slots().into_iter().for_each(|slot| visit.slot(slot));
    }

    /// For the garbage collector.
    pub fn clear(&self) {
        self.slots().into_iter().for_each(|slot| drop(slot.take()));
    }

    fn slots(&self) -> [&Slot; 5] {
        [&self.object, &self.inner, &self.incoming, &self.outgoing, &self.loan]
    }
}

/// The C object inside an `SSLObject`, unless a subclass has methods of its own: then these count.
fn inner_of<'py>(
    object: &Bound<'py, PyAny>,
    imports: &TlsImports,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    let class = object.get_type();
    let plain = imports.ssl_object.bind(py);
    if !class.is(&*plain) {
        if !object.is_instance(&plain)? {
            return Ok(None);
        }
        for method in METHODS {
            if !class.getattr(method)?.is(&plain.getattr(method)?) {
                return Ok(None);
            }
        }
    }
    let inner = object.getattr(intern!(py, "_sslobj"))?;
    Ok(inner.get_type().is(&*imports.ssl_socket.bind(py)).then_some(inner))
}

/// Whether `error` says that the peer sent data after we had ended our direction.
pub fn is_late_data(py: Python<'_>, error: &PyErr) -> bool {
    let reason = error.value(py).getattr_opt(intern!(py, "reason")).ok().flatten();
    reason.is_some_and(|reason| {
        reason.extract::<String>().is_ok_and(|text| text == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
    })
}
