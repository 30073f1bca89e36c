//! What belongs to one thread, in an object that every thread can reach.
#![allow(unsafe_code, reason = "the one owner cell")]

use pyo3::Python;
#[cfg(not(Py_GIL_DISABLED))]
use std::cell::{Cell, UnsafeCell};

/// A value that is reached only while attached to the interpreter and only for as long as a
/// closure runs that calls no Python.
///
/// On builds with a GIL the token proves that no other thread is inside. On free-threaded builds a
/// lock does; it is never held across a call into Python, so it cannot deadlock.
pub struct OwnerCell<S> {
    #[cfg(not(Py_GIL_DISABLED))]
    value: UnsafeCell<S>,
    #[cfg(not(Py_GIL_DISABLED))]
    entered: Cell<bool>,
    #[cfg(Py_GIL_DISABLED)]
    value: std::sync::Mutex<S>,
}

// SAFETY: with a GIL, `with` takes the proof that the thread holds it, and refuses to be entered
// twice; so there is one thread and one borrow at a time.
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl<S: Send> Sync for OwnerCell<S> {}

impl<S> OwnerCell<S> {
    /// A cell with `value`.
    pub fn new(value: S) -> Self {
        #[cfg(not(Py_GIL_DISABLED))]
        return OwnerCell { value: UnsafeCell::new(value), entered: Cell::new(false) };
        #[cfg(Py_GIL_DISABLED)]
        return OwnerCell { value: std::sync::Mutex::new(value) };
    }

    /// Runs `body` with the value. `body` must not call Python, nor drop a Python object: both
    /// may come back here.
    ///
    /// # Panics
    ///
    /// If `body` comes back here.
    #[inline]
    pub fn with<R>(&self, py: Python<'_>, body: impl FnOnce(&mut S) -> R) -> R {
        self.with_attached(py, body)
    }

    #[cfg(not(Py_GIL_DISABLED))]
    #[inline]
    fn with_attached<R>(&self, _py: Python<'_>, body: impl FnOnce(&mut S) -> R) -> R {
        struct Leave<'a>(&'a Cell<bool>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        assert!(!self.entered.replace(true), "the owner cell was entered twice");
        let _leave = Leave(&self.entered);
        // SAFETY: this thread holds the GIL until `body` returns, because `body` calls no Python;
        // and the flag shows that no other borrow of this thread is alive.
        body(unsafe { &mut *self.value.get() })
    }

    #[cfg(Py_GIL_DISABLED)]
    fn with_attached<R>(&self, _py: Python<'_>, body: impl FnOnce(&mut S) -> R) -> R {
        body(&mut self.value.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Runs `body` with the value, for the garbage collector's clearing of an object. `None` if the
    /// cell is entered.
    pub fn take_out<R>(&self, body: impl FnOnce(&mut S) -> R) -> Option<R> {
        #[cfg(not(Py_GIL_DISABLED))]
        {
            if self.entered.get() {
                return None;
            }
            // SAFETY: the collector runs attached and `body` calls no Python; nobody is inside.
            Some(body(unsafe { &mut *self.value.get() }))
        }
        #[cfg(Py_GIL_DISABLED)]
        {
            self.value.try_lock().ok().map(|mut value| body(&mut value))
        }
    }

    /// Runs `body` with the value, for the garbage collector, which runs while every thread that
    /// could be inside is stopped outside. `None` if the cell is entered all the same.
    pub fn look<R>(&self, body: impl FnOnce(&S) -> R) -> Option<R> {
        #[cfg(not(Py_GIL_DISABLED))]
        {
            if self.entered.get() {
                return None;
            }
            // SAFETY: the collector runs attached and calls no Python; nobody is inside.
            Some(body(unsafe { &*self.value.get() }))
        }
        #[cfg(Py_GIL_DISABLED)]
        {
            self.value.try_lock().ok().map(|value| body(&value))
        }
    }
}
