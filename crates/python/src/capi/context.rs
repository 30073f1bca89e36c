//! Contexts of `contextvars`.

use super::object::Obj;
use pyo3::ffi;
use pyo3::prelude::*;

/// A copy of the current context.
///
/// # Errors
///
/// `MemoryError`.
#[inline]
pub fn copy_context(py: Python<'_>) -> PyResult<Obj> {
    // SAFETY: attached; the result is a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent()) }.map(Obj::from)
}

/// A copy of `context`.
///
/// # Errors
///
/// `TypeError` if it is no context, `MemoryError`.
pub fn copy_of(context: &Bound<'_, PyAny>) -> PyResult<Obj> {
    // SAFETY: as above; the function checks the type of its argument.
    let copy = unsafe { ffi::PyContext_Copy(context.as_ptr()) };
    // SAFETY: null means that an exception is set.
    unsafe { Bound::from_owned_ptr_or_err(context.py(), copy) }.map(Obj::from)
}

/// Runs `body` inside `context`.
///
/// # Errors
///
/// `RuntimeError` if the context is entered already, `TypeError` if it is none, and what `body`
/// returns.
#[inline]
pub fn run_in<R>(
    py: Python<'_>,
    context: &Bound<'_, PyAny>,
    body: impl FnOnce() -> PyResult<R>,
) -> PyResult<R> {
    // SAFETY: attached; the function checks the type and the state of its argument.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let result = body();
    // SAFETY: as above. An exception that `body` raised was fetched into `result`.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        let error = PyErr::fetch(py);
        // The first error is the one that tells something.
        return result.and(Err(error));
    }
    result
}
