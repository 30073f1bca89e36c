//! Calls without an argument tuple.

use super::object::{Obj, Slot, Visit};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::mem::ManuallyDrop;

/// Arguments that a callback keeps without a tuple.
const INLINE: usize = 3;

/// The same functions as PyO3 declares, but allowed to unwind; see [`hang_when_ended`].
///
/// PyO3 declares them as functions that never do, and when everything is compiled as one, the
/// optimizer takes its word for ours as well. So they are called through pointers of which it knows
/// nothing ([`of_unknown_origin`]).
mod unwinding {
    use pyo3::ffi::PyObject;

    unsafe extern "C-unwind" {
        pub fn PyObject_Call(
            callable: *mut PyObject,
            arguments: *mut PyObject,
            keywords: *mut PyObject,
        ) -> *mut PyObject;

        pub fn PyObject_Vectorcall(
            callable: *mut PyObject,
            arguments: *const *mut PyObject,
            count: usize,
            names: *mut PyObject,
        ) -> *mut PyObject;

        pub fn PyObject_VectorcallMethod(
            name: *mut PyObject,
            arguments: *const *mut PyObject,
            count: usize,
            names: *mut PyObject,
        ) -> *mut PyObject;

        pub fn Py_DecRef(object: *mut PyObject);
    }
}

#[inline]
fn of_unknown_origin<F>(function: F) -> F {
    std::hint::black_box(function)
}

type Vectorcall = unsafe extern "C-unwind" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    usize,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;
type TupleCall = unsafe extern "C-unwind" fn(
    *mut ffi::PyObject,
    *mut ffi::PyObject,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;
type DropReference = unsafe extern "C-unwind" fn(*mut ffi::PyObject);

/// Makes a call into Python from which the thread may never come back.
///
/// When a program has ended, a daemon thread that asks for the interpreter is ended in turn. Up to
/// Python 3.13 this is done by unwinding its stack, which Rust answers by ending the process with a
/// signal. Here the unwinding comes to a halt: the thread sleeps until the process is gone, as
/// threads do from Python 3.14 on.
#[inline]
fn hang_when_ended<R>(call: impl FnOnce() -> R) -> R {
    struct Hang;
    impl Drop for Hang {
        fn drop(&mut self) {
            loop {
                std::thread::park();
            }
        }
    }
    let hang = Hang;
    let result = call();
    let _not_ended = ManuallyDrop::new(hang);
    result
}

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
        let result = hang_when_ended(|| {
            of_unknown_origin(unwinding::PyObject_Vectorcall as Vectorcall)(
                callable.as_ptr(),
                stack.as_ptr().add(1),
                N | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                std::ptr::null_mut(),
            )
        });
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// Calls `callable` with a tuple of arguments, and a dictionary of keywords.
///
/// # Errors
///
/// What the call raises.
pub fn call_with<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyAny>,
    keywords: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let keywords = keywords.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: everything is alive; a tuple, and a dictionary or null, or else an exception is set.
    unsafe {
        let result = hang_when_ended(|| {
            of_unknown_origin(unwinding::PyObject_Call as TupleCall)(
                callable.as_ptr(),
                arguments.as_ptr(),
                keywords,
            )
        });
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// Calls the method `name` of `object` with `N` arguments.
///
/// # Errors
///
/// What the call raises.
#[inline]
pub fn call_method<'py, const N: usize>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    arguments: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let mut stack = [std::ptr::null_mut(); 8];
    const { assert!(N < 7) };
    stack[1] = object.as_ptr();
    for (place, argument) in stack[2..].iter_mut().zip(arguments) {
        *place = argument.as_ptr();
    }
    // SAFETY: the arguments are alive, and the place before them may be overwritten.
    unsafe {
        let result = hang_when_ended(|| {
            of_unknown_origin(unwinding::PyObject_VectorcallMethod as Vectorcall)(
                name.as_ptr(),
                stack.as_ptr().add(1),
                (N + 1) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                std::ptr::null_mut(),
            )
        });
        Bound::from_owned_ptr_or_err(object.py(), result)
    }
}

/// Drops a reference that may be the last.
///
/// # Safety
///
/// The reference is owned, and the thread is attached.
#[inline]
pub(super) unsafe fn drop_reference(object: *mut ffi::PyObject) {
    // SAFETY: as the caller says.
    unsafe {
        if ffi::Py_REFCNT(object) == 1 {
            // The destructor may be one of Python's.
            hang_when_ended(|| of_unknown_origin(unwinding::Py_DecRef as DropReference)(object));
            return;
        }
        ffi::Py_DECREF(object);
    }
}

/// A callable with its arguments, as `call_soon` takes them.
pub struct Callback {
    callable: Slot,
    /// The arguments; or, if they are more than [`INLINE`], the tuple of them in the first place.
    arguments: [Slot; INLINE],
    count: usize,
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
        // SAFETY: the caller's arguments are alive during its call.
        unsafe {
            let given = |index: usize| {
                if index < count {
                    Slot::new(Bound::from_borrowed_ptr(py, *arguments.add(index)))
                } else {
                    Slot::default()
                }
            };
            let arguments = if count <= INLINE {
                [given(0), given(1), given(2)]
            } else {
                let all =
                    (0..count).map(|index| Bound::from_borrowed_ptr(py, *arguments.add(index)));
                let tuple = PyTuple::new(py, all.collect::<Vec<_>>())?;
                [Slot::new(tuple), Slot::default(), Slot::default()]
            };
            let callable = Slot::new(Bound::from_borrowed_ptr(py, callable));
            Ok(Callback { callable, arguments, count })
        }
    }

    /// A callback of `callable(*arguments)`.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn new(callable: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let pointers: Vec<_> =
            arguments.iter_borrowed().map(|argument| argument.as_ptr()).collect();
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
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if !self.callable.is_set() {
            return Ok(None);
        }
        if self.count > INLINE {
            return Ok(self.arguments[0].get(py));
        }
        let given = self.arguments.iter().filter_map(|slot| slot.get(py));
        let tuple = PyTuple::new(py, given.collect::<Vec<_>>())?;
        Ok(Some(tuple.into_any()))
    }

    /// Makes the call. A cleared callback does nothing.
    ///
    /// # Errors
    ///
    /// What the call raises.
    #[inline]
    pub fn call(&self, py: Python<'_>) -> PyResult<()> {
        self.invoke(py, None).map(drop)
    }

    /// Makes the call, with keyword arguments, and returns its result: nothing if the callback was
    /// cleared.
    ///
    /// # Errors
    ///
    /// What the call raises.
    #[inline]
    pub fn invoke<'py>(
        &self,
        py: Python<'py>,
        keywords: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(callable) = self.callable.get(py) else { return Ok(None) };
        if keywords.is_some() || self.count > INLINE {
            let Some(arguments) = self.arguments(py)? else { return Ok(None) };
            return call_with(&callable, &arguments, keywords).map(Some);
        }
        // References of our own: the callback may be cleared while it runs.
        let held: [Option<Bound<'_, PyAny>>; INLINE] =
            [self.arguments[0].get(py), self.arguments[1].get(py), self.arguments[2].get(py)];
        let pointer = |held: &Option<Bound<'_, PyAny>>| {
            held.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr)
        };
        let [first, second, third] = held.each_ref().map(pointer);
        let stack = [std::ptr::null_mut(), first, second, third];
        // SAFETY: everything is alive; the place before the arguments may be overwritten; null
        // means that an exception is set.
        unsafe {
            let result = hang_when_ended(|| {
                of_unknown_origin(unwinding::PyObject_Vectorcall as Vectorcall)(
                    callable.as_ptr(),
                    stack.as_ptr().add(1),
                    self.count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                    std::ptr::null_mut(),
                )
            });
            Bound::from_owned_ptr_or_err(py, result).map(Some)
        }
    }

    /// Forgets callable and arguments.
    pub fn clear(&self) {
        // All are out before one is dropped: the drop may run code that comes back here.
        let gone: (Option<Obj>, [Option<Obj>; INLINE]) = (
            self.callable.take(),
            [self.arguments[0].take(), self.arguments[1].take(), self.arguments[2].take()],
        );
        drop(gone);
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        visit.slot(&self.callable);
        self.arguments.iter().for_each(|slot| visit.slot(slot));
    }
}
