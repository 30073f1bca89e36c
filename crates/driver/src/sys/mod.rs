//! The system, behind one door: the only place of this crate with system calls and `unsafe`.
//!
//! The contract, which a second system must keep:
//!
//! - [`Selector::register`] adds a descriptor or replaces what is known of it, whether or not the
//!   system still knows it. A descriptor number may have been closed and given out again behind
//!   our back; no call here may fail or miss events because of that.
//! - [`Selector::wait`] returns early on a signal, without an error. It sleeps at least as long
//!   as asked otherwise, and reports a [`Wake`] that was signalled before or during the wait.
//! - Descriptors are made close-on-exec and, sockets, non-blocking.
//! - A sleep on a number ([`futex`]) ends when a signal comes, and a wake-up that comes after the
//!   number was changed is never missed.
//! - A child process ([`spawn`]) is made without copying this one, and holds up the thread that
//!   makes it, no other. A system that cannot says so, and Python's own way is taken.
//! - The calls of [`net`] and [`datagram`] never block, whatever the mode of the descriptor. Those of
//!   [`pipe`] and [`mod@file`] do not once the descriptor that is read or written is in non-blocking
//!   mode.
#![allow(unsafe_code, reason = "system calls; each block says why it is sound")]

use std::sync::atomic::{AtomicI64, Ordering};

pub mod datagram;
#[cfg(target_os = "linux")]
mod epoll;
pub mod file;
#[cfg(target_os = "linux")]
pub mod futex;
pub mod net;
pub mod pipe;
pub mod spawn;
pub mod time;

#[cfg(target_os = "linux")]
pub(crate) use epoll::{EventBuffer, WAKE_TOKEN};
#[cfg(target_os = "linux")]
pub use epoll::{Selector, Wake};

#[cfg(not(target_os = "linux"))]
compile_error!("this system has no selector yet; add a file beside `sys/epoll.rs`");

/// Whether the machine has several processors, whichever of them this process may use: the other
/// side of a connection may use another.
pub fn has_many_processors() -> bool {
    // No lock, which a fork could take along; to ask twice does no harm.
    static COUNT: AtomicI64 = AtomicI64::new(0);
    if COUNT.load(Ordering::Relaxed) == 0 {
        // SAFETY: no pointers.
        COUNT.store(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }, Ordering::Relaxed);
    }
    COUNT.load(Ordering::Relaxed) > 1
}

/// A result of a system call that returns −1 on failure.
pub(crate) fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
