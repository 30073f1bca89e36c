//! Calls without an argument tuple.

use super::object::{Obj, Slot, Visit};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::cell::Cell;

/// Arguments that a callback keeps without a tuple.
const INLINE: usize = 3;

/// Calls `callable` with `N` arguments.
///
/// # Errors
///
/// What the call raises.
#[inline]
pub fn call<'py, const N: usize>(
    callable: &Bound<'py, PyAny>,
    arguments: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    // One place more than the vectorcall protocol needs, because `N + 1` is no array length yet.
    let mut stack = [std::ptr::null_mut(); 8];
    const { assert!(N < 8) };
    for (place, argument) in stack[1..].iter_mut().zip(arguments) {
        *place = argument.as_ptr();
    }
    // SAFETY: the arguments are alive, and the place before them may be overwritten.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            stack.as_ptr().add(1),
            N | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            std::ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// A callable with its arguments, as `call_soon` takes them.
#[derive(Default)]
pub struct Callback {
    callable: Slot,
    arguments: [Slot; INLINE],
    /// The arguments, if they are more than [`INLINE`].
    tuple: Slot,
    count: Cell<usize>,
}

impl Callback {
    /// A callback of `callable(*arguments)`.
    #[inline]
    pub(super) unsafe fn from_raw(
        py: Python<'_>,
        callable: *mut ffi::PyObject,
        arguments: *const *mut ffi::PyObject,
        count: usize,
    ) -> PyResult<Self> {
        let this = Callback::default();
        // SAFETY: the caller's arguments are alive during its call.
        unsafe {
            this.callable.set(Bound::from_borrowed_ptr(py, callable));
            if count <= INLINE {
                for (index, slot) in this.arguments.iter().enumerate().take(count) {
                    slot.set(Bound::from_borrowed_ptr(py, *arguments.add(index)));
                }
            } else {
                let length = ffi::Py_ssize_t::try_from(count).unwrap_or(ffi::Py_ssize_t::MAX);
                let tuple = Bound::from_owned_ptr_or_err(py, ffi::PyTuple_New(length))?;
                for index in 0..count {
                    let argument = *arguments.add(index);
                    ffi::Py_INCREF(argument);
                    ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index as ffi::Py_ssize_t, argument);
                }
                this.tuple.set(tuple);
            }
        }
        this.count.set(count);
        Ok(this)
    }

    /// A callback of `callable(*arguments)`.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn new(callable: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let pointers: Vec<_> = arguments.iter_borrowed().map(|argument| argument.as_ptr()).collect();
        // SAFETY: the tuple keeps its items alive during the call.
        unsafe {
            Self::from_raw(callable.py(), callable.as_ptr(), pointers.as_ptr(), pointers.len())
        }
    }

    /// The callable, unless the callback was cleared.
    pub fn callable<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.callable.get(py)
    }

    /// The arguments as a tuple, unless the callback was cleared.
    pub fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if !self.callable.is_set() {
            return Ok(None);
        }
        if let Some(tuple) = self.tuple.get(py) {
            return Ok(Some(tuple));
        }
        let given = self.arguments.iter().filter_map(|slot| slot.get(py));
        let tuple = pyo3::types::PyTuple::new(py, given.collect::<Vec<_>>())?;
        Ok(Some(tuple.into_any()))
    }

    /// Makes the call. A cleared callback does nothing.
    ///
    /// # Errors
    ///
    /// What the call raises.
    #[inline]
    pub fn call(&self, py: Python<'_>) -> PyResult<()> {
        let Some(callable) = self.callable.get(py) else { return Ok(()) };
        // References of our own: the callback may be cleared while it runs.
        let held: [Option<Bound<'_, PyAny>>; INLINE] =
            [self.arguments[0].get(py), self.arguments[1].get(py), self.arguments[2].get(py)];
        let tuple = self.tuple.get(py);
        // SAFETY: everything is alive; the place before the arguments may be overwritten.
        let result = unsafe {
            if let Some(tuple) = &tuple {
                ffi::PyObject_Call(callable.as_ptr(), tuple.as_ptr(), std::ptr::null_mut())
            } else {
                let mut stack = [std::ptr::null_mut(); INLINE + 1];
                for (place, argument) in stack[1..].iter_mut().zip(&held) {
                    *place = argument.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
                }
                ffi::PyObject_Vectorcall(
                    callable.as_ptr(),
                    stack.as_ptr().add(1),
                    self.count.get() | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                    std::ptr::null_mut(),
                )
            }
        };
        // SAFETY: null means that an exception is set.
        unsafe { Bound::from_owned_ptr_or_err(py, result) }.map(drop)
    }

    /// Forgets callable and arguments.
    pub fn clear(&self) {
        // All are out before one is dropped: the drop may run code that comes back here.
        let gone: (Option<Obj>, [Option<Obj>; INLINE], Option<Obj>) = (
            self.callable.take(),
            [self.arguments[0].take(), self.arguments[1].take(), self.arguments[2].take()],
            self.tuple.take(),
        );
        drop(gone);
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        visit.slot(&self.callable);
        self.arguments.iter().for_each(|slot| visit.slot(slot));
        visit.slot(&self.tuple);
    }
}
