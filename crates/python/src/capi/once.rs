//! What is made once, at the first use.
//!
//! PyO3's own cells let go of the interpreter while one thread fills them. The child of a fork at
//! that moment has a cell that is being filled by nobody, and waits for ever. Here nobody waits: two
//! threads may both make the value, and the first one counts.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A value that lives as long as the process once it is made.
pub struct Once<T: 'static>(AtomicPtr<T>);

impl<T: Send + Sync + 'static> Once<T> {
    /// A place without a value.
    pub const fn new() -> Self {
        Once(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value, made by `make` if there is none.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    #[inline]
    pub fn get_or_try<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&'static T, E> {
        match self.get() {
            Some(value) => Ok(value),
            None => make().map(|value| self.fill(value)),
        }
    }

    #[inline]
    fn get(&self) -> Option<&'static T> {
        // SAFETY: null, or a leaked box that is only read from then on.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    #[cold]
    fn fill(&self, value: T) -> &'static T {
        let made = Box::into_raw(Box::new(value));
        let first =
            self.0.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
        // SAFETY: leaked boxes, both. That of the loser stays leaked: it happens once in a process.
        unsafe { &*first.map_or_else(|winner| winner, |_| made) }
    }
}

impl<T: Send + Sync + 'static> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// An interned string, for attribute names: like `pyo3::intern!`, but see [`Once`].
macro_rules! intern {
    ($py:expr, $text:literal) => {{
        static NAME: $crate::capi::Once<pyo3::Py<pyo3::types::PyString>> =
            $crate::capi::Once::new();
        let made: Result<_, std::convert::Infallible> =
            NAME.get_or_try(|| Ok(pyo3::types::PyString::intern($py, $text).unbind()));
        let Ok(name) = made;
        name.bind($py)
    }};
}

pub(crate) use intern;
