//! Which thread this is, and what threads of Python wait on.

use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_longlong, c_void};
use std::ptr::NonNull;
use std::time::Duration;

/// The number of the running thread, as `threading.get_ident()` gives it. Never zero.
#[inline]
pub fn thread_ident() -> u64 {
    // SAFETY: reads the number of the running thread; needs no interpreter.
    #[expect(clippy::useless_conversion, reason = "the type differs between systems")]
    u64::from(unsafe { ffi::PyThread_get_thread_ident() })
}

/// Where the interpreter keeps the state of the running thread.
pub fn thread_state(_py: Python<'_>) -> u64 {
    // SAFETY: attached, so there is a state. It is only compared with, never followed.
    unsafe { ffi::PyThreadState_Get() as u64 }
}

// Not declared by PyO3.
unsafe extern "C" {
    fn PyThread_allocate_lock() -> *mut c_void;
    fn PyThread_free_lock(lock: *mut c_void);
    fn PyThread_acquire_lock_timed(
        lock: *mut c_void,
        microseconds: c_longlong,
        interruptible: c_int,
    ) -> c_int;
    fn PyThread_release_lock(lock: *mut c_void);
}

/// How a wait for a [`ThreadLock`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired {
    /// Somebody has released it.
    Released,
    /// The time is over.
    TimedOut,
    /// A signal came. Its handler has not run yet.
    Interrupted,
}

/// The interpreter's own lock. Unlike those of Rust's library its wait ends when a signal comes, so
/// that Ctrl-C is seen at once.
pub struct ThreadLock(NonNull<c_void>);

// SAFETY: the functions below may be called by any thread, without the interpreter.
unsafe impl Send for ThreadLock {}
// SAFETY: as above.
unsafe impl Sync for ThreadLock {}

impl ThreadLock {
    /// A lock that is taken. `None`: no memory.
    pub fn taken() -> Option<Self> {
        // SAFETY: allocates; the first acquisition of a new lock succeeds at once.
        unsafe {
            let lock = NonNull::new(PyThread_allocate_lock())?;
            PyThread_acquire_lock_timed(lock.as_ptr(), 0, 0);
            Some(ThreadLock(lock))
        }
    }

    /// Waits until somebody releases the lock, without the interpreter.
    pub fn acquire(&self, timeout: Option<Duration>) -> Acquired {
        // The bound keeps the conversion to absolute time, which the function does, from overflow.
        const LONGEST: Duration = Duration::from_secs(24 * 3600);
        let timeout = timeout.map_or(-1, |time| {
            c_longlong::try_from(time.min(LONGEST).as_micros() + 1).unwrap_or(c_longlong::MAX)
        });
        // SAFETY: the lock is alive.
        match unsafe { PyThread_acquire_lock_timed(self.0.as_ptr(), timeout, 1) } {
            1 => Acquired::Released,
            2 => Acquired::Interrupted,
            _ => Acquired::TimedOut,
        }
    }

    /// Lets the waiting thread, or the next that comes, go on. Needs no interpreter.
    pub fn release(&self) {
        // SAFETY: the lock is alive and taken: who waits never releases it.
        unsafe { PyThread_release_lock(self.0.as_ptr()) }
    }
}

impl Drop for ThreadLock {
    fn drop(&mut self) {
        // SAFETY: nobody else has it any more.
        unsafe { PyThread_free_lock(self.0.as_ptr()) }
    }
}
