//! Attributes of native classes.

use super::class::{Instance, Located, Native};
use super::method::guard;
use super::object::Obj;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::{Borrowed, ffi};
use std::ffi::{CStr, c_int, c_void};

/// An attribute.
pub struct Getter(ffi::PyGetSetDef);

impl Getter {
    /// What the interpreter takes for the end of a table.
    pub(super) fn end() -> Self {
        Getter(ffi::PyGetSetDef {
            name: std::ptr::null(),
            get: None,
            set: None,
            doc: std::ptr::null(),
            closure: std::ptr::null_mut(),
        })
    }
}

// SAFETY: names and functions, all static.
unsafe impl Send for Getter {}
// SAFETY: as above.
unsafe impl Sync for Getter {}

/// What reads an attribute.
pub type GetterFn<B> = fn(&B, Python<'_>) -> PyResult<Obj>;

/// The attribute `name`, read by `get`.
pub fn getter<B: Native>(name: &'static CStr, get: GetterFn<B>) -> Getter {
    Getter(ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(enter_getter::<B>),
        set: None,
        doc: std::ptr::null(),
        closure: get as *mut c_void,
    })
}

/// What a class has to say about one of its attributes.
pub trait Attribute: 'static {
    /// The class.
    type Of: Native;
    /// The name in Python.
    const NAME: &'static CStr;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// What Python shall see.
    fn get(this: &Self::Of, py: Python<'_>) -> PyResult<Obj>;

    /// Writes it.
    ///
    /// # Errors
    ///
    /// What Python shall see.
    fn set(this: &Self::Of, value: &Bound<'_, PyAny>) -> PyResult<()>;
}

/// The attribute that `A` describes, which can be written.
pub fn attribute<A: Attribute>() -> Getter {
    let get: GetterFn<A::Of> = A::get;
    let mut attribute = getter::<A::Of>(A::NAME, get);
    attribute.0.set = Some(enter_setter::<A>);
    attribute
}

unsafe extern "C" fn enter_setter<A: Attribute>(
    this: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> c_int {
    // SAFETY: called by the interpreter with an instance, and a value or null for a deletion.
    unsafe {
        let py = Python::assume_attached();
        let outcome = guard(py, || {
            if value.is_null() {
                let name = A::NAME.to_string_lossy();
                return Err(PyAttributeError::new_err(format!("cannot delete {name}")));
            }
            A::set(A::Of::from_object(this), &Borrowed::from_ptr(py, value))?;
            Ok(Obj::none(py))
        });
        if outcome.is_null() {
            return -1;
        }
        ffi::Py_DECREF(outcome);
        0
    }
}

unsafe extern "C" fn enter_getter<B: Native>(
    this: *mut ffi::PyObject,
    closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with an instance; the closure is what `getter` stored.
    unsafe {
        let py = Python::assume_attached();
        let get = std::mem::transmute::<*mut c_void, GetterFn<B>>(closure);
        guard(py, || get(B::from_object(this), py))
    }
}

/// What reads an attribute of a whole instance.
pub type InstanceGetterFn<B> = fn(&Instance<B>, Python<'_>) -> PyResult<Obj>;

/// The attribute `name`, read by `get`, which needs more than the body.
pub fn instance_getter<B: Native>(name: &'static CStr, get: InstanceGetterFn<B>) -> Getter {
    Getter(ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(enter_instance_getter::<B>),
        set: None,
        doc: std::ptr::null(),
        closure: get as *mut c_void,
    })
}

unsafe extern "C" fn enter_instance_getter<B: Native>(
    this: *mut ffi::PyObject,
    closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with an instance; the closure is what `instance_getter`
    // stored.
    unsafe {
        let py = Python::assume_attached();
        let get = std::mem::transmute::<*mut c_void, InstanceGetterFn<B>>(closure);
        guard(py, || get(&Instance::from_borrowed(this), py))
    }
}
