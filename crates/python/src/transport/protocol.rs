//! The protocol of a connection: whom its transport tells what happens.

use super::TlsTransport;
use crate::capi::intern;
use crate::capi::{Instance, Obj, Slot, Visit, WriteView, call};
use crate::imports::imports;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::cell::Cell;

/// How a protocol takes what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As bytes objects.
    Data,
    /// In a buffer of its own.
    Buffered,
    /// As what is to be decrypted: it is a TLS transport of ours, and no call of Python lies
    /// between.
    Tls,
}

/// A protocol, with its methods looked up once.
pub struct Protocol {
    object: Slot,
    /// `data_received`, or for buffered protocols `buffer_updated`.
    deliver: Slot,
    /// `get_buffer` of a buffered protocol.
    get_buffer: Slot,
    delivery: Cell<Delivery>,
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            object: Slot::default(),
            deliver: Slot::default(),
            get_buffer: Slot::default(),
            delivery: Cell::new(Delivery::Data),
        }
    }
}

impl Protocol {
    /// Takes `protocol` on, and looks its methods up.
    ///
    /// # Errors
    ///
    /// What the lookup raises.
    pub fn set(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = protocol.py();
        let (delivery, deliver, get_buffer) = if Instance::<TlsTransport>::cast(protocol).is_some()
        {
            (Delivery::Tls, None, None)
        } else if protocol.is_instance(&imports(py)?.buffered_protocol.bind(py))? {
            let get_buffer = protocol.getattr(intern!(py, "get_buffer"))?;
            let updated = protocol.getattr(intern!(py, "buffer_updated"))?;
            (Delivery::Buffered, Some(updated), Some(get_buffer))
        } else {
            // A protocol without the method is told when something arrives, as asyncio does.
            (Delivery::Data, protocol.getattr_opt(intern!(py, "data_received"))?, None)
        };
        // All is in place before an old reference is dropped: the drop may run code.
        self.delivery.set(delivery);
        let gone = (
            self.deliver.replace(deliver.map(Obj::from)),
            self.get_buffer.replace(get_buffer.map(Obj::from)),
            self.object.replace(Some(Obj::from(protocol))),
        );
        drop(gone);
        Ok(())
    }

    /// Lets go of the protocol.
    pub fn forget(&self) {
        self.delivery.set(Delivery::Data);
        drop((self.deliver.take(), self.get_buffer.take(), self.object.take()));
    }

    /// The protocol, or `None`.
    pub fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.object.get_or_none(py)
    }

    /// How it takes what arrives.
    #[inline]
    pub fn delivery(&self) -> Delivery {
        self.delivery.get()
    }

    /// The protocol, if it is a TLS transport.
    #[inline]
    pub fn tls(&self, py: Python<'_>) -> Option<Instance<TlsTransport>> {
        if self.delivery.get() != Delivery::Tls {
            return None;
        }
        self.object.get(py).and_then(|object| Instance::cast(&object))
    }

    /// Tells it of its connection.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn connection_made(&self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = transport.py();
        match self.tls(py) {
            Some(tls) => tls.begin(transport),
            None => {
                self.object(py).call_method1(intern!(py, "connection_made"), (transport,)).map(drop)
            }
        }
    }

    /// Gives it `data`, a bytes object.
    ///
    /// # Errors
    ///
    /// What it raises.
    #[inline]
    pub fn data_received(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = data.py();
        match self.deliver.get(py) {
            Some(deliver) => call(&deliver, [data]).map(drop),
            None => self.object(py).getattr(intern!(py, "data_received")).map(drop),
        }
    }

    /// The buffer that it gives, which is not empty. `hint` is how much may come, or -1.
    ///
    /// # Errors
    ///
    /// What it raises, and `RuntimeError` for an empty buffer.
    pub fn buffer(&self, py: Python<'_>, hint: isize) -> PyResult<Option<WriteView>> {
        let Some(get_buffer) = self.get_buffer.get(py) else { return Ok(None) };
        let buffer = call(&get_buffer, [&hint.into_pyobject(py)?.into_any()])?;
        let mut view = WriteView::new(&buffer)?;
        if view.as_mut_slice().is_empty() {
            return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
        }
        Ok(Some(view))
    }

    /// Tells it that `count` bytes are in its buffer.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn buffer_updated(&self, py: Python<'_>, count: usize) -> PyResult<()> {
        match self.deliver.get(py) {
            Some(deliver) => call(&deliver, [&count.into_pyobject(py)?.into_any()]).map(drop),
            None => Ok(()),
        }
    }

    /// Tells it that the peer sends no more. Returns whether it keeps the other direction.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn eof_received(&self, py: Python<'_>) -> PyResult<bool> {
        match self.tls(py) {
            Some(tls) => tls.lower_ended(py),
            None => self.object(py).call_method0(intern!(py, "eof_received"))?.is_truthy(),
        }
    }

    /// Tells it to write no more for now.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn pause_writing(&self, py: Python<'_>) -> PyResult<()> {
        match self.tls(py) {
            Some(tls) => {
                tls.pause_lower_writing();
                Ok(())
            }
            None => self.object(py).call_method0(intern!(py, "pause_writing")).map(drop),
        }
    }

    /// Tells it that it may write again.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn resume_writing(&self, py: Python<'_>) -> PyResult<()> {
        match self.tls(py) {
            Some(tls) => tls.resume_lower_writing(py),
            None => self.object(py).call_method0(intern!(py, "resume_writing")).map(drop),
        }
    }

    /// Tells it that its connection is over, for `reason` or `None`.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn connection_lost(&self, reason: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = reason.py();
        match self.tls(py) {
            Some(tls) => tls.lower_lost(reason),
            None => {
                self.object(py).call_method1(intern!(py, "connection_lost"), (reason,)).map(drop)
            }
        }
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        for slot in [&self.object, &self.deliver, &self.get_buffer] {
            visit.slot(slot);
        }
    }
}
