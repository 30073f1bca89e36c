//! The one switch that runs the same code under loom.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, Ordering},
};
#[cfg(loom)]
pub(crate) use model::{Thread, current, park, park_for};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU8, Ordering},
    },
    thread::{Thread, current, park, park_timeout as park_for},
};

/// Parking as `std` has it. Loom's own cannot stand a wake-up that comes late: it takes the thread
/// out of whatever it waits for by then, a lock too.
#[cfg(loom)]
mod model {
    use loom::sync::{Condvar, Mutex};
    use std::sync::Arc;
    use std::time::Duration;

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Thread(Arc<Token>);

    #[derive(Debug, Default)]
    struct Token {
        given: Mutex<bool>,
        changed: Condvar,
    }

    loom::thread_local! {
        static CURRENT: Thread = Thread::default();
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(Clone::clone)
    }

    impl Thread {
        pub(crate) fn unpark(&self) {
            *self.0.given.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
            self.0.changed.notify_one();
        }
    }

    pub(crate) fn park() {
        let Thread(token) = current();
        let mut given = token.given.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while !*given {
            given = token.changed.wait(given).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *given = false;
    }

    /// The model has no clock: the time may be over at any moment.
    pub(crate) fn park_for(_time: Duration) {
        loom::thread::yield_now();
    }
}
