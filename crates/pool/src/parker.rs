//! How an idle worker sleeps, and how it is woken.
//!
//! Work is *assigned* under the pool's lock; the wake-up that must follow may be given later. A
//! wake-up given while the giver still holds the interpreter wakes a thread that can do nothing but
//! queue for it: two sleeps in place of one. When it is given is the caller's business.

use crate::sync::{AtomicU8, Ordering, Thread, current, park, park_for};
use std::sync::Arc;
use std::task::Wake;
use std::time::{Duration, Instant};

/// The worker does something.
const AWAKE: u8 = 0;
/// The worker sleeps, or is about to.
const IDLE: u8 = 1;
/// There is work, and whoever gave it will wake the worker.
const ASSIGNED: u8 = 2;
/// There is work, and the worker may have it now.
const WOKEN: u8 = 3;

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parked {
    /// There is work, and it came while the thread was spinning.
    Caught,
    /// There is work.
    Woken,
    /// The time is over.
    TimedOut,
}

/// How long a worker may idle.
#[derive(Debug, Clone, Copy)]
pub struct Idleness {
    /// When it has ended its last job.
    pub since: Instant,
    /// How long it may.
    pub timeout: Duration,
}

/// What one worker sleeps on.
#[derive(Debug)]
pub struct Parker {
    state: AtomicU8,
    thread: Thread,
}

impl Parker {
    /// A parker of the calling thread.
    pub(crate) fn new() -> Self {
        Parker { state: AtomicU8::new(AWAKE), thread: current() }
    }

    /// The worker is about to sleep and may be assigned work. Called under the pool's lock.
    pub(crate) fn lie_down(&self) {
        // A store would do, but the model cannot know then that a wake-up given late is over.
        self.state.swap(IDLE, Ordering::AcqRel);
    }

    /// The worker is up. Called under the pool's lock.
    pub(crate) fn get_up(&self) {
        self.state.store(AWAKE, Ordering::Relaxed);
    }

    /// Marks that there is work. A wake-up must follow. Called under the pool's lock.
    pub(crate) fn assign(&self) {
        self.state.store(ASSIGNED, Ordering::Release);
    }

    /// See [`Worker::park`](crate::Worker::park).
    pub(crate) fn park(
        &self,
        spin: Option<Duration>,
        idle: Option<Idleness>,
        untimed: impl Fn() -> bool,
    ) -> Parked {
        if spin.is_some_and(|spin| self.spin(spin)) {
            return Parked::Caught;
        }
        let mut left = idle.map(|idle| idle.timeout);
        while self.state.load(Ordering::Acquire) != WOKEN {
            match left {
                None => park(),
                Some(Duration::ZERO) => return Parked::TimedOut,
                // A timer costs as much as a good part of the sleep.
                Some(_) if untimed() => park(),
                Some(left) => park_for(left),
            }
            // Nearly every sleep ends by being woken; for the others the clock is read.
            if self.state.load(Ordering::Acquire) != WOKEN {
                left = idle.map(|idle| idle.timeout.saturating_sub(idle.since.elapsed()));
            }
        }
        Parked::Woken
    }

    fn spin(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            for _ in 0..32 {
                if self.state.load(Ordering::Acquire) == WOKEN {
                    return true;
                }
                std::hint::spin_loop();
            }
            if Instant::now() >= end {
                return false;
            }
        }
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A worker whose time was over when the work came needs no wake-up: it looks before it
        // ends. It may even have lain down again.
        let assigned =
            self.state.compare_exchange(ASSIGNED, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if assigned.is_ok() {
            self.thread.unpark();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn lying() -> Arc<Parker> {
        let parker = Arc::new(Parker::new());
        parker.lie_down();
        parker
    }

    #[test]
    fn a_wake_up_without_work_does_not_end_a_sleep_before_its_time() {
        let parker = lying();
        let idle = Idleness { since: Instant::now(), timeout: Duration::from_millis(20) };
        parker.wake_by_ref();
        std::thread::current().unpark();
        assert_eq!(parker.park(None, Some(idle), || false), Parked::TimedOut);
        assert!(idle.since.elapsed() >= idle.timeout);
    }

    #[test]
    fn a_sleep_without_an_end_is_ended_by_another_thread() {
        let parker = lying();
        let giver = std::thread::spawn({
            let parker = Arc::clone(&parker);
            move || {
                parker.assign();
                parker.wake();
            }
        });
        assert_eq!(parker.park(None, None, || false), Parked::Woken);
        giver.join().unwrap();
    }

    #[test]
    fn who_spins_catches_the_wake_up_and_who_spins_in_vain_sleeps() {
        let parker = lying();
        let idle = Idleness { since: Instant::now(), timeout: Duration::ZERO };
        assert_eq!(parker.park(Some(Duration::ZERO), Some(idle), || false), Parked::TimedOut);
        parker.assign();
        assert_eq!(parker.park(Some(Duration::ZERO), Some(idle), || false), Parked::TimedOut);
        parker.wake_by_ref();
        assert_eq!(
            parker.park(Some(Duration::from_secs(60)), Some(idle), || false),
            Parked::Caught
        );
    }
}
