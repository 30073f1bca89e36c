//! Linux: epoll and eventfd.

use super::check;
use crate::core::Wait;
use crate::event::{Event, Events, Interest, Token, Trigger};
use crate::spin;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The number under which the wake-up is registered; no slab gives it out.
pub(crate) const WAKE_TOKEN: u64 = u64::MAX;

/// Whether `epoll_pwait2` (Linux 5.11) is known to be missing or forbidden.
static MILLISECONDS_ONLY: AtomicBool = AtomicBool::new(false);

/// An epoll instance. Its owner closes it; what is asked of it afterwards is `EBADF`.
#[derive(Debug)]
pub struct Selector {
    /// −1 once it is closed.
    epoll: AtomicI32,
    /// The process that made it. A child of a fork shares the instance, and must not take out what
    /// its parent has registered.
    process: libc::pid_t,
}

/// An eventfd that ends a wait.
#[derive(Debug)]
pub struct Wake {
    /// Empty once it is closed. Locked, because a thread that signals must not find that the
    /// number was closed and given out again in between.
    eventfd: Mutex<Option<OwnedFd>>,
}

/// The reports of one `epoll_wait`.
pub(crate) struct EventBuffer {
    events: Vec<libc::epoll_event>,
}

impl std::fmt::Debug for EventBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventBuffer").field("len", &self.events.len()).finish()
    }
}

impl EventBuffer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        EventBuffer { events: Vec::with_capacity(capacity) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.iter().map(|event| Event {
            token: Token::from_bits(event.u64),
            ready: readiness(event.events),
        })
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn clear_for_test(&mut self) {
        self.events.clear();
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn push_for_test(&mut self, event: Event) {
        let events = epoll_flags(event.ready, Trigger::Level);
        self.events.push(libc::epoll_event { events, u64: event.token.to_bits() });
    }
}

fn readiness(flags: u32) -> Interest {
    const READ: u32 = (libc::EPOLLIN | libc::EPOLLPRI) as u32;
    const WRITE: u32 = libc::EPOLLOUT as u32;
    const MORE: u32 = (libc::EPOLLRDHUP | libc::EPOLLPRI) as u32;
    const FAILED: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
    let readable = if flags & (READ | FAILED) == 0 { Interest::NONE } else { Interest::READABLE };
    let writable = if flags & (WRITE | FAILED) == 0 { Interest::NONE } else { Interest::WRITABLE };
    let more = if flags & (MORE | FAILED) == 0 { Interest::NONE } else { Interest::EXCEPTIONAL };
    readable | writable | more
}

fn epoll_flags(interest: Interest, trigger: Trigger) -> u32 {
    let mut flags = match trigger {
        Trigger::Level => 0,
        Trigger::Once => libc::EPOLLONESHOT as u32,
        Trigger::Edge => libc::EPOLLET as u32,
    };
    if interest.is_readable() {
        flags |= libc::EPOLLIN as u32;
        if trigger == Trigger::Edge {
            flags |= (libc::EPOLLRDHUP | libc::EPOLLPRI) as u32;
        }
    }
    if interest.is_writable() {
        flags |= libc::EPOLLOUT as u32;
    }
    flags
}

impl Selector {
    /// A selector that reports nothing yet.
    ///
    /// # Errors
    ///
    /// When the process or the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: no arguments, cannot fail.
        let process = unsafe { libc::getpid() };
        Ok(Selector { epoll: AtomicI32::new(epoll), process })
    }

    /// Closes the descriptor. For the owner, when nobody waits.
    pub fn close(&self) {
        let epoll = self.epoll.swap(-1, Ordering::AcqRel);
        if epoll >= 0 {
            // SAFETY: the number was ours, and nobody else can take it out again.
            drop(unsafe { OwnedFd::from_raw_fd(epoll) });
        }
    }

    fn control(&self, operation: i32, fd: RawFd, mut event: libc::epoll_event) -> io::Result<()> {
        // SAFETY: the pointer is to a local that the call only reads.
        check(unsafe { libc::epoll_ctl(self.as_raw_fd(), operation, fd, &raw mut event) })?;
        Ok(())
    }

    /// Reports `interest` in `fd` under `token` from now on, in place of what was registered.
    /// `known` says whether the descriptor is believed to be registered: a hint that saves a
    /// system call when it is right.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` for regular files and directories, which are always ready; `EBADF` for
    /// a number that is no open descriptor; others when the system has no memory left.
    pub fn register(
        &self,
        fd: RawFd,
        token: Token,
        interest: Interest,
        trigger: Trigger,
        known: bool,
    ) -> io::Result<()> {
        self.set(fd, token.to_bits(), epoll_flags(interest, trigger), known)
    }

    fn set(&self, fd: RawFd, number: u64, flags: u32, known: bool) -> io::Result<()> {
        let event = libc::epoll_event { events: flags, u64: number };
        let (first, wrong, second) = if known {
            (libc::EPOLL_CTL_MOD, libc::ENOENT, libc::EPOLL_CTL_ADD)
        } else {
            (libc::EPOLL_CTL_ADD, libc::EEXIST, libc::EPOLL_CTL_MOD)
        };
        match self.control(first, fd, event) {
            Err(error) if error.raw_os_error() == Some(wrong) => self.control(second, fd, event),
            other => other,
        }
    }

    /// Reports `wake` from now on. Edge-triggered, so its counter never needs to be read.
    ///
    /// # Errors
    ///
    /// When the system has no memory left.
    pub fn register_wake(&self, wake: &Wake) -> io::Result<()> {
        let flags = epoll_flags(Interest::READABLE, Trigger::Edge);
        let eventfd = wake.eventfd();
        let fd = eventfd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        self.set(fd, WAKE_TOKEN, flags, false)
    }

    /// Reports nothing of `fd` from now on. A descriptor that is not registered, or closed, is
    /// none of anybody's business and no error. In a forked child this does nothing.
    pub fn deregister(&self, fd: RawFd) {
        // SAFETY: no arguments, cannot fail.
        if unsafe { libc::getpid() } != self.process {
            return;
        }
        let event = libc::epoll_event { events: 0, u64: 0 };
        // The only errors are those of a descriptor that is already gone.
        let _: io::Result<()> = self.control(libc::EPOLL_CTL_DEL, fd, event);
    }

    /// [`Selector::wait`] as a plan of [`crate::Core::plan`] says; `Skip` asks nothing.
    ///
    /// # Errors
    ///
    /// None with a valid selector.
    pub fn wait_for(&self, events: &mut Events, wait: Wait) -> io::Result<()> {
        match wait {
            Wait::Skip => Ok(()),
            Wait::Poll => self.wait(events, Some(Duration::ZERO)),
            Wait::Park(timeout) | Wait::SpinAndPark(timeout) => self.wait(events, timeout),
        }
    }

    /// Looks for events again and again, for a moment that is shorter than a sleep usually takes.
    /// Returns whether there are any, or `come` says that there is something else.
    ///
    /// # Errors
    ///
    /// None with a valid selector.
    pub fn spin(&self, events: &mut Events, come: impl Fn() -> bool) -> io::Result<bool> {
        let end = Instant::now() + spin::BOUND;
        loop {
            self.wait(events, Some(Duration::ZERO))?;
            if !events.buffer.events.is_empty() || come() {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
        }
    }

    /// Waits for events, for `timeout` at most (`None`: without end).
    ///
    /// # Errors
    ///
    /// None with a valid selector.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let buffer = &mut events.buffer.events;
        buffer.clear();
        let found = match self.wait_into(buffer, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => other?,
        };
        // SAFETY: the system has written that many events, and no more than the capacity.
        unsafe { buffer.set_len(found) };
        Ok(())
    }

    fn wait_into(
        &self,
        buffer: &mut Vec<libc::epoll_event>,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        let epoll = self.as_raw_fd();
        let (pointer, room) =
            (buffer.as_mut_ptr(), buffer.capacity().min(i32::MAX as usize) as i32);
        if let Some(timeout) = timeout.filter(|t| !t.is_zero())
            && !MILLISECONDS_ONLY.load(Ordering::Relaxed)
        {
            match wait_exactly(epoll, pointer, room, timeout) {
                // Old kernels do not know the call, and sandboxes refuse what they do not know.
                Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    MILLISECONDS_ONLY.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        let milliseconds = timeout.map_or(-1, |timeout| {
            // Rounded up: a sleep that ends early would find its timer not due.
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        // SAFETY: the buffer has `room` places.
        check(unsafe { libc::epoll_wait(epoll, pointer, room, milliseconds) }).map(|n| n as usize)
    }
}

/// `epoll_pwait2`: a timeout in nanoseconds.
fn wait_exactly(
    epoll: RawFd,
    buffer: *mut libc::epoll_event,
    room: i32,
    timeout: Duration,
) -> io::Result<usize> {
    let limit = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    };
    // SAFETY: the caller's buffer has `room` places, the time is a local, there is no signal mask.
    let found = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll,
            buffer,
            room,
            &raw const limit,
            std::ptr::null::<libc::sigset_t>(),
            0usize,
        )
    };
    check(found as i32).map(|n| n as usize)
}

impl AsRawFd for Selector {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.load(Ordering::Relaxed)
    }
}

impl Drop for Selector {
    fn drop(&mut self) {
        self.close();
    }
}

impl Wake {
    /// A wake-up that nothing has signalled.
    ///
    /// # Errors
    ///
    /// When the process or the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor is new and owned by nobody else.
        let eventfd = unsafe {
            let fd = check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?;
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Wake { eventfd: Mutex::new(Some(eventfd)) })
    }

    fn eventfd(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        // The content is valid at every moment, so a panic elsewhere is none of our business.
        self.eventfd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the descriptor. Signals do nothing afterwards.
    pub fn close(&self) {
        drop(self.eventfd().take());
    }

    /// Ends the present wait, or the next.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when 2⁶⁴ − 2 signals were never looked at.
    pub fn signal(&self) -> io::Result<()> {
        let eventfd = self.eventfd();
        let Some(fd) = eventfd.as_ref() else { return Ok(()) };
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes of a local.
        let written = unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::slab::Slab;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    fn found(selector: &Selector, timeout: Duration) -> Vec<Event> {
        let mut events = Events::default();
        selector.wait(&mut events, Some(timeout)).expect("a valid selector");
        events.iter().collect()
    }

    fn token() -> Token {
        Slab::default().insert(())
    }

    #[test]
    fn level_is_reported_until_it_is_consumed() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let selector = Selector::new().unwrap();
        let fd = near.as_raw_fd();
        selector.register(fd, token(), Interest::READABLE, Trigger::Level, false).unwrap();
        assert!(found(&selector, Duration::ZERO).is_empty());
        far.write_all(b"x").unwrap();
        for _ in 0..3 {
            assert_eq!(found(&selector, Duration::from_secs(5)).len(), 1);
        }
        near.read_exact(&mut [0]).unwrap();
        assert!(found(&selector, Duration::ZERO).is_empty());
    }

    #[test]
    fn an_edge_is_reported_once_and_says_when_one_read_is_not_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut near, _) = listener.accept().unwrap();
        let selector = Selector::new().unwrap();
        let fd = near.as_raw_fd();
        selector.register(fd, token(), Interest::READABLE, Trigger::Edge, false).unwrap();
        far.write_all(b"x").unwrap();
        assert_eq!(found(&selector, Duration::from_secs(5))[0].ready, Interest::READABLE);
        assert!(found(&selector, Duration::ZERO).is_empty());
        near.read_exact(&mut [0]).unwrap();
        far.write_all(b"x").unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        let reports = || found(&selector, Duration::from_secs(5));
        while !reports()[0].ready.is_exceptional() {}
    }

    #[test]
    fn a_spin_ends_when_something_came_and_soon_anyway() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let selector = Selector::new().unwrap();
        let fd = near.as_raw_fd();
        selector.register(fd, token(), Interest::READABLE, Trigger::Level, false).unwrap();
        let mut events = Events::default();
        assert!(!selector.spin(&mut events, || false).unwrap());
        assert!(selector.spin(&mut events, || true).unwrap());
        assert_eq!(events.iter().count(), 0);
        far.write_all(b"x").unwrap();
        assert!(selector.spin(&mut events, || false).unwrap());
        assert_eq!(events.iter().count(), 1);
    }

    #[test]
    fn once_is_reported_once_until_armed_again() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let selector = Selector::new().unwrap();
        far.write_all(b"x").unwrap();
        for known in [false, true, true] {
            let fd = near.as_raw_fd();
            selector.register(fd, token(), Interest::READABLE, Trigger::Once, known).unwrap();
            assert_eq!(found(&selector, Duration::from_secs(5)).len(), 1);
            assert!(found(&selector, Duration::ZERO).is_empty());
        }
    }

    #[test]
    fn a_wrong_hint_does_no_harm() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let selector = Selector::new().unwrap();
        far.write_all(b"x").unwrap();
        for known in [true, false, true, false] {
            let fd = near.as_raw_fd();
            selector.register(fd, token(), Interest::READABLE, Trigger::Level, known).unwrap();
            assert_eq!(found(&selector, Duration::from_secs(5)).len(), 1);
        }
        selector.deregister(near.as_raw_fd());
        selector.deregister(near.as_raw_fd());
        assert!(found(&selector, Duration::ZERO).is_empty());
    }

    #[test]
    fn a_refused_connection_is_readable_and_writable() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        let selector = Selector::new().unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;
        selector.register(stream.as_raw_fd(), token(), both, Trigger::Level, false).unwrap();
        crate::sys::net::reset_on_close(peer.as_raw_fd()).unwrap();
        drop(peer);
        let events = found(&selector, Duration::from_secs(5));
        assert_eq!(events[0].ready, both | Interest::EXCEPTIONAL);
    }

    #[test]
    fn a_file_is_refused_and_a_closed_number_too() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let selector = Selector::new().unwrap();
        let fd = file.as_raw_fd();
        let error = selector.register(fd, token(), Interest::READABLE, Trigger::Level, false);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let error = selector.register(-1, token(), Interest::READABLE, Trigger::Level, false);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn a_wake_ends_the_present_wait_and_the_next() {
        let selector = Selector::new().unwrap();
        let wake = Arc::new(Wake::new().unwrap());
        selector.register_wake(&wake).unwrap();
        wake.signal().unwrap();
        assert!(found(&selector, Duration::from_secs(60)).is_empty(), "not shown as an event");
        let other = Arc::clone(&wake);
        let thread = std::thread::spawn(move || other.signal().unwrap());
        let mut events = Events::default();
        selector.wait(&mut events, None).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn a_wait_is_not_shorter_than_asked() {
        let selector = Selector::new().unwrap();
        for milliseconds_only in [false, true] {
            MILLISECONDS_ONLY.store(milliseconds_only, Ordering::Relaxed);
            for microseconds in [1, 90, 700, 1_300] {
                let asked = Duration::from_micros(microseconds);
                let start = Instant::now();
                found(&selector, asked);
                assert!(start.elapsed() >= asked);
            }
        }
        MILLISECONDS_ONLY.store(false, Ordering::Relaxed);
    }
}
