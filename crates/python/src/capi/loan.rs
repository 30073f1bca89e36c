//! Memory of Rust's, lent to a function of Python's for the length of one call.

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// A bytes-like object without memory of its own: for as long as a call lasts, it stands for what
/// the caller lends. So functions that take bytes-like objects work on it without a copy, and
/// without an object for each call.
#[pyclass(frozen, module = "nalsil._nalsil")]
pub struct Loan {
    start: AtomicPtr<u8>,
    length: AtomicUsize,
    readonly: AtomicBool,
    views: AtomicUsize,
}

impl Loan {
    /// An object that stands for nothing yet.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn new(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let loan = Loan {
            start: AtomicPtr::new(ptr::null_mut()),
            length: AtomicUsize::new(0),
            readonly: AtomicBool::new(true),
            views: AtomicUsize::new(0),
        };
        Bound::new(py, loan)
    }

    /// Lends `memory` for reading. `body` passes the object to functions that keep no view of it.
    pub fn of_bytes<'py, R>(
        this: &Bound<'py, Self>,
        memory: &[u8],
        body: impl FnOnce(&Bound<'py, PyAny>) -> R,
    ) -> R {
        this.get().lend(memory.as_ptr().cast_mut(), memory.len(), true, || body(this.as_any()))
    }

    /// Lends `room` to be written. `body` passes the object to functions that keep no view of it.
    pub fn of_room<'py, R>(
        this: &Bound<'py, Self>,
        room: &mut [MaybeUninit<u8>],
        body: impl FnOnce(&Bound<'py, PyAny>) -> R,
    ) -> R {
        this.get().lend(room.as_mut_ptr().cast(), room.len(), false, || body(this.as_any()))
    }

    fn lend<R>(
        &self,
        start: *mut u8,
        length: usize,
        readonly: bool,
        body: impl FnOnce() -> R,
    ) -> R {
        let end = End { loan: self, views: self.views.load(Ordering::Relaxed) };
        self.length.store(length, Ordering::Relaxed);
        self.readonly.store(readonly, Ordering::Relaxed);
        self.start.store(start, Ordering::Relaxed);
        let result = body();
        drop(end);
        result
    }
}

/// Ends a loan, however the call ended.
struct End<'a> {
    loan: &'a Loan,
    views: usize,
}

impl Drop for End<'_> {
    #[expect(clippy::disallowed_methods, reason = "a view that is kept is one of foreign memory")]
    fn drop(&mut self) {
        self.loan.start.store(ptr::null_mut(), Ordering::Relaxed);
        if self.loan.views.load(Ordering::Relaxed) != self.views {
            std::process::abort();
        }
    }
}

#[pymethods]
impl Loan {
    // SAFETY: called by the interpreter with a view to fill. The memory outlives the view: whoever
    // lends it looks at the end whether one is left.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let start = this.start.load(Ordering::Relaxed);
        if start.is_null() {
            // The manual's demand of a refusal.
            // SAFETY: the view is the interpreter's.
            unsafe { (*view).obj = ptr::null_mut() };
            return Err(PyBufferError::new_err("nothing is lent now"));
        }
        let length = this.length.load(Ordering::Relaxed).cast_signed();
        let readonly = c_int::from(this.readonly.load(Ordering::Relaxed));
        // SAFETY: as above; the function refuses a wish to write where it is not granted.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast(), length, readonly, flags)
        };
        if filled != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        this.views.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    // SAFETY: called by the interpreter with a view that was filled above; there is nothing to
    // free.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.views.fetch_sub(1, Ordering::Relaxed);
    }
}
