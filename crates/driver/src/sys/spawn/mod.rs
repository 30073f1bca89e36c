//! Child processes.
//!
//! [`spawn`] makes one without copying this process, whatever its size, and holds up the calling
//! thread alone, until the child has become its program. Nothing is allocated, locked or looked up
//! in the child: a [`Command`] has all of it ready.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub use system::{Memory, SignalMask, block_signals, environment, is_supported, spawn};

use super::check;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// A program to run, and how.
#[derive(Debug, Clone)]
pub struct Command {
    /// The files to try, in this order.
    pub programs: Vec<CString>,
    /// The arguments, the name of the program first.
    pub arguments: Vec<CString>,
    /// `NAME=value`, for every variable that the program gets.
    pub environment: Vec<CString>,
    /// Where it runs; `None` for this process's own directory.
    pub directory: Option<CString>,
    /// What becomes descriptor 0, 1 and 2; −1 for this process's own.
    pub stdio: [RawFd; 3],
    /// Descriptors from 3 on that stay open in the program, in ascending order; all others are
    /// closed. `None`: those stay open that are not close-on-exec.
    pub keep: Option<Vec<RawFd>>,
    /// The mask of new files; `None` for this process's own.
    pub umask: Option<libc::mode_t>,
    /// Whether it leads a session of its own.
    pub new_session: bool,
    /// The process group that it enters, 0 for one of its own.
    pub process_group: Option<libc::pid_t>,
    /// Supplementary groups.
    pub groups: Option<Vec<libc::gid_t>>,
    /// Real and effective group.
    pub group: Option<libc::gid_t>,
    /// Real and effective user.
    pub user: Option<libc::uid_t>,
    /// Whether the signals that Python ignores (`SIGPIPE`, `SIGXFSZ`) mean what they mean by default.
    pub restore_signals: bool,
    /// The signals that are blocked in the program.
    pub signal_mask: SignalMask,
}

impl Command {
    /// Whether the child gets other rights than this process has.
    fn changes_rights(&self) -> bool {
        self.groups.is_some() || self.group.is_some() || self.user.is_some()
    }
}

/// What did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To enter the directory.
    Directory,
    /// To run the program: none of the files could be.
    Program,
    /// Anything else on the way.
    Other,
}

/// A child process that did not become its program. It is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What did not work.
    pub step: Step,
    /// The number of the system's error.
    pub number: i32,
}

impl Failure {
    /// The failure that `error` is.
    pub fn of(step: Step, error: &io::Error) -> Self {
        Failure { step, number: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

/// A child process that runs, and that nobody has waited for.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: libc::pid_t,
    /// What becomes readable when it ends; `None` on systems without.
    pub pidfd: Option<OwnedFd>,
}

impl Child {
    /// Kills the child and waits for its end, which is near.
    pub fn bury(self) {
        match &self.pidfd {
            Some(pidfd) => kill(pidfd.as_raw_fd()),
            // SAFETY: no pointers. Nobody has waited for the child, so the number is its own.
            None => drop(unsafe { libc::kill(self.pid, libc::SIGKILL) }),
        }
        wait(self.pid);
    }
}

/// Waits for the end of a child, unless somebody else has.
fn wait(pid: libc::pid_t) {
    // SAFETY: nothing is written through a null pointer.
    while let Err(error) = check(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) })
        && error.kind() == io::ErrorKind::Interrupted
    {}
}

/// Kills the process behind a pidfd.
pub fn kill(pidfd: RawFd) {
    system::kill(pidfd);
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests;
