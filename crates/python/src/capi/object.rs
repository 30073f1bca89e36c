//! References that are kept in Rust structures.

use pyo3::prelude::*;
use pyo3::{Borrowed, PyTraverseError, PyVisit, ffi};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// An owned reference to a Python object.
///
/// Unlike `Py<T>` it does not ask on every drop whether the thread is attached: the structures
/// that hold one are emptied only by attached threads, and asking costs more than the drop.
#[repr(transparent)]
pub struct Obj(NonNull<ffi::PyObject>);

// SAFETY: a reference may be sent; only attached threads use or drop it (see the type's text).
unsafe impl Send for Obj {}
// SAFETY: as above; the reference count is the interpreter's business.
unsafe impl Sync for Obj {}

impl Obj {
    /// Takes over the reference `pointer`.
    ///
    /// # Safety
    ///
    /// `pointer` is an owned reference, not null, and the thread is attached.
    pub(super) unsafe fn from_owned(pointer: *mut ffi::PyObject) -> Self {
        // SAFETY: not null, as the caller says.
        Obj(unsafe { NonNull::new_unchecked(pointer) })
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }

    /// The object, for use while attached.
    #[inline]
    pub fn bind<'py>(&self, py: Python<'py>) -> Borrowed<'_, 'py, PyAny> {
        // SAFETY: the reference is valid for as long as `self`.
        unsafe { Borrowed::from_ptr(py, self.as_ptr()) }
    }

    /// The content, if the object is bytes.
    pub fn as_bytes<'a>(&'a self, _py: Python<'a>) -> Option<&'a [u8]> {
        // SAFETY: attached, and the reference is owned for as long as the slice lives.
        unsafe { super::bytes::content(self.as_ptr()) }
    }

    /// A second reference.
    #[inline]
    pub fn clone_ref(&self, _py: Python<'_>) -> Self {
        // SAFETY: attached, and the pointer is valid.
        unsafe { ffi::Py_INCREF(self.as_ptr()) };
        Obj(self.0)
    }

    /// Whether both are the same object.
    #[inline]
    pub fn is(&self, other: &Bound<'_, PyAny>) -> bool {
        self.as_ptr() == other.as_ptr()
    }

    /// The owned reference, for use while attached.
    #[inline]
    pub fn into_bound(self, py: Python<'_>) -> Bound<'_, PyAny> {
        let this = ManuallyDrop::new(self);
        // SAFETY: ownership moves over.
        unsafe { Bound::from_owned_ptr(py, this.as_ptr()) }
    }

    /// The owned reference as a bare pointer.
    #[inline]
    pub(super) fn into_ptr(self) -> *mut ffi::PyObject {
        ManuallyDrop::new(self).as_ptr()
    }

    /// `None`.
    #[inline]
    pub fn none(py: Python<'_>) -> Self {
        Obj::from(py.None().into_bound(py))
    }
}

impl Drop for Obj {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: whoever drops is attached (see the type's text), and the reference is owned.
        unsafe { super::call::drop_reference(self.as_ptr()) }
    }
}

impl<T> From<Bound<'_, T>> for Obj {
    #[inline]
    fn from(object: Bound<'_, T>) -> Self {
        // SAFETY: a bound reference is owned and not null.
        unsafe { Obj::from_owned(object.into_ptr()) }
    }
}

impl<T> From<&Bound<'_, T>> for Obj {
    #[inline]
    fn from(object: &Bound<'_, T>) -> Self {
        Obj::from(object.clone())
    }
}

impl From<Borrowed<'_, '_, PyAny>> for Obj {
    #[inline]
    fn from(object: Borrowed<'_, '_, PyAny>) -> Self {
        Obj::from(object.to_owned())
    }
}

impl std::fmt::Debug for Obj {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Obj({:p})", self.as_ptr())
    }
}

/// A place for an object in a structure that is reached from several callbacks: empty or filled,
/// exchanged as a whole, never borrowed while Python runs.
#[derive(Default)]
#[repr(transparent)]
pub struct Slot(Cell<Option<NonNull<ffi::PyObject>>>);

// SAFETY: the content may be sent, as an `Obj` may.
unsafe impl Send for Slot {}

impl Slot {
    /// A place with `object` in it.
    #[inline]
    pub fn new(object: impl Into<Obj>) -> Self {
        Slot(Cell::new(Some(ManuallyDrop::new(object.into()).0)))
    }

    /// Puts `object` there and drops what was there before, in this order: the drop may run code.
    #[inline]
    pub fn set(&self, object: impl Into<Obj>) {
        drop(self.replace(Some(object.into())));
    }

    /// Exchanges the content.
    #[inline]
    pub fn replace(&self, object: Option<Obj>) -> Option<Obj> {
        let new = object.map(|object| ManuallyDrop::new(object).0);
        self.0.replace(new).map(Obj)
    }

    /// Takes the content out.
    #[inline]
    pub fn take(&self) -> Option<Obj> {
        self.0.take().map(Obj)
    }

    /// A reference of its own to the content.
    #[inline]
    pub fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: the slot owns a valid reference for as long as it holds the pointer.
        self.0.get().map(|object| unsafe { Bound::from_borrowed_ptr(py, object.as_ptr()) })
    }

    /// A reference of its own to the content, or `None`, the object.
    pub fn get_or_none<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.get(py).unwrap_or_else(|| py.None().into_bound(py))
    }

    /// Whether something is there.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether `object` is there.
    #[inline]
    pub fn holds(&self, object: &Bound<'_, PyAny>) -> bool {
        self.as_ptr() == object.as_ptr()
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.get().map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// The garbage collector's visit of what a structure holds.
pub struct Visit<'a> {
    how: How<'a>,
    result: c_int,
}

enum How<'a> {
    Raw(ffi::visitproc, *mut c_void),
    Pyo3(PyVisit<'a>, Result<(), PyTraverseError>),
}

impl<'a> Visit<'a> {
    pub(super) fn raw(visit: ffi::visitproc, argument: *mut c_void) -> Self {
        Visit { how: How::Raw(visit, argument), result: 0 }
    }

    /// A visit from a class that PyO3 makes.
    pub fn pyo3(visit: PyVisit<'a>) -> Self {
        Visit { how: How::Pyo3(visit, Ok(())), result: 0 }
    }

    fn pointer(&mut self, object: *mut ffi::PyObject) {
        if object.is_null() || self.result != 0 {
            return;
        }
        match &mut self.how {
            // SAFETY: the collector's own function with its own argument, on a live object.
            How::Raw(visit, argument) => self.result = unsafe { visit(object, *argument) },
            How::Pyo3(visit, outcome) => {
                // SAFETY: `Py` is a transparent non-null pointer; the reference is only looked at.
                let object: &Py<PyAny> = unsafe { &*(&raw const object).cast() };
                if outcome.is_ok() {
                    *outcome = visit.call(object);
                }
            }
        }
    }

    /// Visits `object`.
    pub fn object(&mut self, object: &Obj) {
        self.pointer(object.as_ptr());
    }

    /// Visits the content of `slot`.
    pub fn slot(&mut self, slot: &Slot) {
        self.pointer(slot.as_ptr());
    }

    pub(super) fn result(self) -> c_int {
        self.result
    }

    /// The outcome for PyO3.
    ///
    /// # Errors
    ///
    /// When the collector asked to stop.
    pub fn outcome(self) -> Result<(), PyTraverseError> {
        match self.how {
            How::Pyo3(_, outcome) => outcome,
            How::Raw(..) => Ok(()),
        }
    }
}
