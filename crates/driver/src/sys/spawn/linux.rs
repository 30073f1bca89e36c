//! Linux: `clone` with the memory of this process, on a stack of the child's own.
//!
//! The child shares this process's memory until it becomes its program, and the system holds the
//! calling thread meanwhile. So the child must not run what belongs to others: signals are blocked
//! until every handler is gone, and nothing is called that allocates, locks or keeps a state. It may
//! be killed at any point, and must leave nothing behind in that memory.
//!
//! Where the child gets other rights, it has a copy of the memory instead. A process of another user
//! must not share it, and the system would treat this process as one that has changed its rights.

use super::{Command, Failure, Step, wait};
use crate::sys::check;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

// The calls with wide numbers, where there are narrow ones too. They are made without the C
// library, whose own would change every thread of the process that it believes to run in.
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
use libc::{SYS_setgroups, SYS_setregid, SYS_setreuid};
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
use libc::{
    SYS_setgroups32 as SYS_setgroups, SYS_setregid32 as SYS_setregid,
    SYS_setreuid32 as SYS_setreuid,
};

/// Bytes of the child's stack, and of the forbidden area below it. A multiple of every page size.
const STACK: usize = 64 * 1024;

/// The exit status of a child that has reported a failure; nobody sees it.
const FAILED: c_int = 255;

/// Signals are numbered from 1 to this, on all processors that this file is for.
const LAST_SIGNAL: c_int = 64;

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Which signals are blocked.
#[derive(Clone, Copy)]
pub struct SignalMask(libc::sigset_t);

impl std::fmt::Debug for SignalMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalMask")
    }
}

impl SignalMask {
    /// What the calling thread blocks.
    pub fn of_this_thread() -> Self {
        let mut mask = Self::empty();
        // SAFETY: the mask is a local; there is nothing to set.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), &raw mut mask.0) };
        mask
    }

    fn empty() -> Self {
        // SAFETY: every bit pattern is a set of signals.
        SignalMask(unsafe { std::mem::zeroed() })
    }

    fn all() -> Self {
        let mut mask = Self::empty();
        // SAFETY: the mask is a local.
        unsafe { libc::sigfillset(&raw mut mask.0) };
        mask
    }

    /// Makes this the mask of the calling thread, and returns the one before.
    fn set(&self) -> Self {
        let mut before = Self::empty();
        // SAFETY: one set is read, the other written; both are alive.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, &raw mut before.0);
        }
        before
    }
}

/// Lets the calling thread receive no signals: they go to other threads.
pub fn block_signals() {
    SignalMask::all().set();
}

/// A copy of the environment of this process. For a thread that keeps others from changing it.
pub fn environment() -> Vec<CString> {
    let mut copy = Vec::new();
    // SAFETY: the array ends with a null pointer, and the caller keeps it as it is.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            copy.push(CStr::from_ptr(*entry).to_owned());
            entry = entry.add(1);
        }
    }
    copy
}

/// Whether the system has what [`spawn`] needs: Linux 5.9 without a filter that forbids it.
pub fn is_supported() -> bool {
    close_range(libc::c_uint::MAX, libc::c_uint::MAX).is_ok()
}

fn close_range(first: libc::c_uint, last: libc::c_uint) -> io::Result<()> {
    // SAFETY: no pointers; the caller means these descriptors.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } as c_int).map(drop)
}

/// See [`super::kill`].
pub(super) fn kill(pidfd: RawFd) {
    let none = ptr::null::<c_void>();
    // SAFETY: there is no further information on the signal.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, none, 0) };
}

/// Makes a child process that runs `command`, and waits until it does.
///
/// `pidfd` is −1 and gets the child's pidfd as soon as there is a child, for other threads to end it
/// by, should it be held up. The number stays open until what is returned first is dropped. Second,
/// the process id of a child that runs.
pub fn spawn(
    memory: &mut Memory,
    command: &Command,
    pidfd: &AtomicI32,
) -> (Option<OwnedFd>, Result<libc::pid_t, Failure>) {
    // SAFETY: inside of the mapping, aligned, and no child uses it.
    unsafe { ptr::write_volatile(memory.report(), None) };
    let start = Start {
        command,
        arguments: pointers(&command.arguments),
        environment: pointers(&command.environment),
        report: memory.report(),
    };
    let before = SignalMask::all().set();
    let cloned = start.clone_with(memory, pidfd);
    before.set();
    let number = Some(pidfd.load(Ordering::Acquire)).filter(|number| *number >= 0);
    // SAFETY: the system has made the number for us, and nobody else closes it.
    let pidfd = number.map(|number| unsafe { OwnedFd::from_raw_fd(number) });
    let pid = match cloned {
        Ok(pid) => pid,
        Err(error) => return (pidfd, Err(Failure::of(Step::Other, &error))),
    };
    // SAFETY: the report is in `memory`, and the child has become another program or ended.
    let report = unsafe { ptr::read_volatile(memory.report()) };
    match report {
        None => (pidfd, Ok(pid)),
        Some(failure) => {
            wait(pid);
            (pidfd, Err(failure))
        }
    }
}

/// The strings as the system takes them.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Memory for one child after another: a stack, and the place of its report, which is shared even
/// if all else is a copy.
#[derive(Debug)]
pub struct Memory {
    base: *mut c_void,
}

impl Memory {
    /// Memory that no child has used.
    ///
    /// # Errors
    ///
    /// When the process may have no more of it.
    pub fn new() -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, where the system likes.
        let base = unsafe { libc::mmap(ptr::null_mut(), 2 * STACK, access, kind, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = Memory { base };
        // SAFETY: the lower half of the mapping, of which nothing is in use. A stack that does not
        // suffice ends the child instead of writing elsewhere.
        check(unsafe { libc::mprotect(base, STACK, libc::PROT_NONE) })?;
        Ok(memory)
    }

    /// The report, above the stack.
    fn report(&self) -> *mut Option<Failure> {
        self.top().cast()
    }

    /// Where the stack begins, to grow downwards; aligned as every system asks.
    fn top(&self) -> *mut c_void {
        // SAFETY: inside of the mapping.
        unsafe { self.base.byte_add(2 * STACK - 64) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the child does not use it any more.
        unsafe { libc::munmap(self.base, 2 * STACK) };
    }
}

/// What the child reads.
struct Start<'a> {
    command: &'a Command,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    report: *mut Option<Failure>,
}

/// The child's first call.
extern "C" fn begin(start: *mut c_void) -> c_int {
    // SAFETY: the thread that has made the child keeps it there, and is held until the child has
    // become its program or ends.
    let start = unsafe { &*start.cast::<Start<'_>>() };
    let failure = match start.prepare() {
        Ok(()) => start.execute(),
        Err(failure) => failure,
    };
    // SAFETY: the place is for this one write; the exit runs nothing that belongs to the parent.
    unsafe {
        ptr::write_volatile(start.report, Some(failure));
        libc::_exit(FAILED)
    }
}

impl Start<'_> {
    fn clone_with(&self, memory: &Memory, pidfd: &AtomicI32) -> io::Result<libc::pid_t> {
        let shared = if self.command.changes_rights() { 0 } else { libc::CLONE_VM };
        let flags = shared | libc::CLONE_VFORK | libc::SIGCHLD;
        match self.clone_by(memory, flags | libc::CLONE_PIDFD, pidfd) {
            // A sandbox that does not know of pidfds.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.clone_by(memory, flags, pidfd)
            }
            other => other,
        }
    }

    fn clone_by(
        &self,
        memory: &Memory,
        flags: c_int,
        pidfd: &AtomicI32,
    ) -> io::Result<libc::pid_t> {
        let (start, none) = (ptr::from_ref(self).cast_mut().cast(), ptr::null_mut::<c_void>());
        // SAFETY: the stack is the child's alone, `start` and `pidfd` outlive the call, and the
        // call returns when the child does not use this process's memory any more. What the child
        // runs before is bound to that (see the head of this file).
        check(unsafe { libc::clone(begin, memory.top(), flags, start, pidfd.as_ptr(), none, none) })
    }

    /// In the child: everything before the program.
    fn prepare(&self) -> Result<(), Failure> {
        let command = self.command;
        for fd in command.keep.iter().flatten() {
            keep_open(*fd)?;
        }
        place_stdio(command.stdio)?;
        if let Some(directory) = &command.directory {
            // SAFETY: a string of the parent's, which keeps it.
            done(unsafe { libc::chdir(directory.as_ptr()) }, Step::Directory)?;
        }
        if let Some(mask) = command.umask {
            // SAFETY: no pointers.
            unsafe { libc::umask(mask) };
        }
        reset_signals(command.restore_signals);
        command.signal_mask.set();
        if command.new_session {
            // SAFETY: no arguments.
            done(unsafe { libc::setsid() }, Step::Other)?;
        }
        if let Some(group) = command.process_group {
            // SAFETY: no pointers.
            done(unsafe { libc::setpgid(0, group) }, Step::Other)?;
        }
        take_rights(command)?;
        if let Some(keep) = &command.keep {
            close_others(keep);
        }
        Ok(())
    }

    /// In the child: becomes the program.
    fn execute(&self) -> Failure {
        let (arguments, environment) = (self.arguments.as_ptr(), self.environment.as_ptr());
        let (mut telling, mut last) = (None, libc::ENOENT);
        for program in &self.command.programs {
            // SAFETY: the strings and the arrays are the parent's, which keeps them.
            unsafe { libc::execve(program.as_ptr(), arguments, environment) };
            last = errno();
            // What says more than that a folder of the path does not have the program.
            if last != libc::ENOENT && last != libc::ENOTDIR {
                telling = telling.or(Some(last));
            }
        }
        Failure { step: Step::Program, number: telling.unwrap_or(last) }
    }
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

fn done(result: c_int, step: Step) -> Result<c_int, Failure> {
    if result < 0 { Err(Failure { step, number: errno() }) } else { Ok(result) }
}

/// Lets the program have `fd`.
fn keep_open(fd: RawFd) -> Result<(), Failure> {
    // SAFETY: no pointers.
    let flags = done(unsafe { libc::fcntl(fd, libc::F_GETFD) }, Step::Other)?;
    if flags & libc::FD_CLOEXEC != 0 {
        let flags = flags & !libc::FD_CLOEXEC;
        // SAFETY: no pointers.
        done(unsafe { libc::fcntl(fd, libc::F_SETFD, flags) }, Step::Other)?;
    }
    Ok(())
}

/// Makes `stdio` the descriptors 0, 1 and 2.
fn place_stdio(stdio: [RawFd; 3]) -> Result<(), Failure> {
    let [stdin, mut stdout, mut stderr] = stdio;
    // A number that is about to be given out, and is still needed for another, moves out of the way.
    for (fd, taken) in [(&mut stdout, 0..1), (&mut stderr, 0..2)] {
        if taken.contains(&*fd) {
            // SAFETY: no pointers.
            *fd = done(unsafe { libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, 3) }, Step::Other)?;
        }
    }
    for (fd, target) in [(stdin, 0), (stdout, 1), (stderr, 2)] {
        if fd == target {
            keep_open(fd)?;
        } else if fd >= 0 {
            // SAFETY: no pointers; the child has descriptors of its own.
            done(unsafe { libc::dup2(fd, target) }, Step::Other)?;
        }
    }
    Ok(())
}

/// Takes every handler away, which would run in the parent's memory once signals are let in; a
/// program that begins has none anyway. What is ignored stays so.
///
/// Not by the C library, which may take a lock for it: a child that is killed there would leave it
/// locked in the parent.
fn reset_signals(restore: bool) {
    for signal in 1..=LAST_SIGNAL {
        let mut action = SystemAction::default();
        let (none, known) = (ptr::null::<SystemAction>(), &raw mut action);
        // SAFETY: the action is a local with more room than the system needs.
        let asked = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, none, known, SystemAction::MASK)
        };
        let handler = action.0[0];
        let ignored = handler == libc::SIG_IGN
            && !(restore && matches!(signal, libc::SIGPIPE | libc::SIGXFSZ));
        if asked == 0 && handler != libc::SIG_DFL && !ignored {
            action = SystemAction::default();
            let (default, none) = (&raw const action, ptr::null_mut::<SystemAction>());
            // SAFETY: the action is a local; the child has a table of actions of its own.
            unsafe {
                libc::syscall(libc::SYS_rt_sigaction, signal, default, none, SystemAction::MASK)
            };
        }
    }
}

/// What to do on a signal, as the system has it: the handler, then what differs by processor. All
/// zeros stand for the default.
#[derive(Default)]
#[repr(C)]
struct SystemAction([usize; 8]);

impl SystemAction {
    /// Bytes of a set of signals.
    const MASK: usize = 8;
}

/// Gives the child the rights of another user.
fn take_rights(command: &Command) -> Result<(), Failure> {
    if let Some(groups) = &command.groups {
        // SAFETY: the groups are the parent's, and that many.
        let set = unsafe { libc::syscall(SYS_setgroups, groups.len(), groups.as_ptr()) };
        done(set as c_int, Step::Other)?;
    }
    if let Some(group) = command.group {
        // SAFETY: no pointers.
        done(unsafe { libc::syscall(SYS_setregid, group, group) } as c_int, Step::Other)?;
    }
    if let Some(user) = command.user {
        // SAFETY: no pointers.
        done(unsafe { libc::syscall(SYS_setreuid, user, user) } as c_int, Step::Other)?;
    }
    Ok(())
}

/// Closes every descriptor from 3 on but those of `keep`.
fn close_others(keep: &[RawFd]) {
    let mut first: libc::c_uint = 3;
    for fd in keep.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok()) {
        if fd > first {
            // Nothing is left open by an error: the system closes what there is.
            let _: io::Result<()> = close_range(first, fd.wrapping_sub(1));
        }
        first = first.max(fd.wrapping_add(1));
    }
    let _: io::Result<()> = close_range(first, libc::c_uint::MAX);
}
