//! A system on which child processes are left to Python's own way.

use super::{Command, Failure, Step};
use std::ffi::CString;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::AtomicI32;

/// Which signals are blocked.
#[derive(Debug, Clone, Copy)]
pub struct SignalMask;

impl SignalMask {
    /// What the calling thread blocks.
    pub fn of_this_thread() -> Self {
        SignalMask
    }
}

/// Nothing: there are no threads that it is for.
pub fn block_signals() {}

/// Empty: nobody asks for it.
pub fn environment() -> Vec<CString> {
    Vec::new()
}

/// Whether the system has what [`spawn`] needs: it does not.
pub fn is_supported() -> bool {
    false
}

/// See [`super::kill`]: there are no pidfds.
pub(super) fn kill(_pidfd: RawFd) {}

/// Memory for one child after another.
#[derive(Debug)]
pub struct Memory;

impl Memory {
    /// Nothing.
    ///
    /// # Errors
    ///
    /// None.
    pub fn new() -> std::io::Result<Self> {
        Ok(Memory)
    }
}

/// Refuses.
pub fn spawn(
    _memory: &mut Memory,
    _command: &Command,
    _pidfd: &AtomicI32,
) -> (Option<OwnedFd>, Result<libc::pid_t, Failure>) {
    (None, Err(Failure { step: Step::Other, number: libc::ENOSYS }))
}
