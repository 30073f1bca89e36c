//! Views of the memory of a caller's object.

use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use std::mem::MaybeUninit;

struct View(Box<ffi::Py_buffer>);

impl View {
    fn new(object: &Bound<'_, PyAny>, flags: std::ffi::c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: attached; the view is filled only on success.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        Ok(View(view))
    }

    fn parts(&self) -> (*mut u8, usize) {
        let length = self.0.len.cast_unsigned();
        // An empty view may have no address, and a slice must have one.
        if length == 0 {
            return (std::ptr::NonNull::dangling().as_ptr(), 0);
        }
        (self.0.buf.cast(), length)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the view was filled, and views are made and dropped by attached threads.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.0) }
    }
}

/// The memory of an object, to be read. The object cannot be resized while the view is there.
pub struct ReadView(View);

impl ReadView {
    /// A view of `object`.
    ///
    /// # Errors
    ///
    /// `TypeError` if it has no buffer, `BufferError` if the buffer is not contiguous.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        View::new(object, ffi::PyBUF_SIMPLE).map(ReadView)
    }

    /// The bytes. No Python code may run while the slice is used: it could write them.
    pub fn as_slice(&self) -> &[u8] {
        let (start, length) = self.0.parts();
        // SAFETY: the view keeps the memory in place.
        unsafe { std::slice::from_raw_parts(start, length) }
    }
}

/// The memory of an object, to be written.
pub struct WriteView(View);

impl WriteView {
    /// A view of `object`.
    ///
    /// # Errors
    ///
    /// `TypeError` if it has no writable, contiguous buffer.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        View::new(object, ffi::PyBUF_WRITABLE).map(WriteView).map_err(|error| {
            if error.is_instance_of::<PyBufferError>(object.py()) {
                let text =
                    format!("read-write bytes-like object expected: {}", error.value(object.py()));
                return PyTypeError::new_err(text);
            }
            error
        })
    }

    /// The memory. No Python code may run while the slice is used.
    pub fn as_mut_slice(&mut self) -> &mut [MaybeUninit<u8>] {
        let (start, length) = self.0.parts();
        // SAFETY: the view keeps the memory in place; bytes may be anything.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), length) }
    }
}
