//! Bytes objects: read without a copy, and received into without a second one.

use pyo3::ffi;
use pyo3::prelude::*;
use std::mem::MaybeUninit;

/// The content of `object` if it is bytes or of a subclass.
#[inline]
pub fn as_bytes<'a>(object: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    // SAFETY: attached, and the object is alive for as long as the slice.
    unsafe { content(object.as_ptr()) }
}

/// # Safety
///
/// Attached; the object lives for `'a`.
#[inline]
pub(super) unsafe fn content<'a>(object: *mut ffi::PyObject) -> Option<&'a [u8]> {
    // SAFETY: the check comes first; bytes do not change while they are alive.
    unsafe {
        if ffi::PyBytes_Check(object) == 0 {
            return None;
        }
        let start = ffi::PyBytes_AS_STRING(object).cast::<u8>();
        Some(std::slice::from_raw_parts(start, ffi::Py_SIZE(object).cast_unsigned()))
    }
}

/// A bytes object that is being written.
pub struct BytesWriter<'py>(Bound<'py, PyAny>);

impl<'py> BytesWriter<'py> {
    /// Room for `size` bytes.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn with_room(py: Python<'py>, size: usize) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(size).unwrap_or(ffi::Py_ssize_t::MAX);
        // SAFETY: attached; a null start makes the content uninitialised.
        let bytes = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size) };
        // SAFETY: null means that an exception is set.
        unsafe { Bound::from_owned_ptr_or_err(py, bytes) }.map(BytesWriter)
    }

    /// A bytes object with a copy of `content`, which the caller has written.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn copy(py: Python<'py>, content: &[MaybeUninit<u8>]) -> PyResult<Bound<'py, PyAny>> {
        let size = content.len().cast_signed();
        // SAFETY: attached; the function copies that many bytes, which `recv` has written.
        let bytes = unsafe { ffi::PyBytes_FromStringAndSize(content.as_ptr().cast(), size) };
        // SAFETY: null means that an exception is set.
        unsafe { Bound::from_owned_ptr_or_err(py, bytes) }
    }

    /// The room. Nobody else knows the object yet.
    pub fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the object is ours alone and that long.
        unsafe {
            let start = ffi::PyBytes_AS_STRING(self.0.as_ptr());
            let length = ffi::Py_SIZE(self.0.as_ptr()).cast_unsigned();
            std::slice::from_raw_parts_mut(start.cast_mut().cast::<MaybeUninit<u8>>(), length)
        }
    }

    /// The bytes object of the first `length` bytes, which the caller has written.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn finish(mut self, length: usize) -> PyResult<Bound<'py, PyAny>> {
        assert!(length <= self.room().len(), "more written than there was room");
        let py = self.0.py();
        let mut bytes = self.0.into_ptr();
        // SAFETY: the only reference; on failure the function releases it and stores null.
        unsafe {
            if _PyBytes_Resize(&raw mut bytes, length.cast_signed()) != 0 {
                return Err(PyErr::fetch(py));
            }
            Ok(Bound::from_owned_ptr(py, bytes))
        }
    }
}

unsafe extern "C" {
    // Documented API (https://docs.python.org/3/c-api/bytes.html) that PyO3 does not export.
    fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, size: ffi::Py_ssize_t) -> std::ffi::c_int;
}
