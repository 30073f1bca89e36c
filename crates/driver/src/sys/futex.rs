//! Linux: a thread sleeps on a number.
//!
//! Unlike the parking of Rust's library, the sleep ends when a signal has come.

use super::check;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Why a sleep on a number ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slept {
    /// Somebody has woken the thread, or the number was another one, or there is no reason.
    Woken,
    /// The time is over.
    TimedOut,
    /// A signal came.
    Interrupted,
}

/// Sleeps until woken by [`wake`], if `number` is `expected`, for `timeout` at most.
pub fn sleep_while(number: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Slept {
    let timeout = timeout.map(|timeout| libc::timespec {
        // The bound keeps the system's own sum from overflow.
        tv_sec: timeout.as_secs().min(1 << 31) as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    });
    let limit = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the number and the time are alive during the call, which only reads them.
    let slept =
        unsafe { libc::syscall(libc::SYS_futex, number.as_ptr(), operation, expected, limit) };
    match check(slept as i32).map_err(|error| error.raw_os_error()) {
        Err(Some(libc::ETIMEDOUT)) => Slept::TimedOut,
        Err(Some(libc::EINTR)) => Slept::Interrupted,
        _ => Slept::Woken,
    }
}

/// Wakes a thread that sleeps on `number`, if there is one.
pub fn wake(number: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the call looks at the address only.
    unsafe { libc::syscall(libc::SYS_futex, number.as_ptr(), operation, 1) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    #[test]
    fn a_sleep_ends_when_its_time_is_over_and_not_before() {
        let (number, time) = (AtomicU32::new(1), Duration::from_millis(5));
        let begun = Instant::now();
        while sleep_while(&number, 1, Some(time)) != Slept::TimedOut {}
        assert!(begun.elapsed() >= time);
        assert_eq!(sleep_while(&number, 2, None), Slept::Woken, "the number is another");
    }

    #[test]
    fn a_sleep_is_ended_by_a_wake_up() {
        let number = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while number.load(Ordering::Acquire) == 0 {
                    sleep_while(&number, 0, None);
                }
            });
            number.store(1, Ordering::Release);
            wake(&number);
        });
    }
}
