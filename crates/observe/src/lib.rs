//! What running loops and pools count, and how other threads read it.
//!
//! A loop's owner counts in plain fields ([`LoopBatch`]), because a shared counter on the per-callback
//! path would cost more than the work it counts. It publishes the sums to relaxed atomics
//! ([`LoopCounters`]) when it goes to sleep. A reader takes a [`LoopSnapshot`], which is at most
//! one busy period old. A pool's workers count under the lock that they take for every job anyway
//! ([`PoolBatch`]).
#![forbid(unsafe_code)]

mod histogram;
mod pool;

pub use histogram::Histogram;
pub use pool::{FunctionBatch, PoolBatch, Sample};

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! loop_counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The sums as the loop's own thread keeps them.
        #[derive(Debug, Default, Clone, PartialEq, Eq)]
        pub struct LoopBatch {
            $($(#[$doc])* pub $name: u64,)+
        }

        /// The sums as any thread may read them.
        #[derive(Debug, Default)]
        pub struct LoopCounters {
            $($name: AtomicU64,)+
        }

        /// One reading of [`LoopCounters`].
        #[derive(Debug, Default, Clone, PartialEq, Eq)]
        pub struct LoopSnapshot {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl LoopCounters {
            /// Makes the sums of `batch` visible to readers.
            pub fn publish(&self, batch: &LoopBatch) {
                $(self.$name.store(batch.$name, Ordering::Relaxed);)+
            }

            /// Reads the sums last published. Fields are read one by one, so two of them may
            /// belong to neighbouring publications.
            pub fn snapshot(&self) -> LoopSnapshot {
                LoopSnapshot { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        impl LoopSnapshot {
            /// Name and value of every sum, in the order of declaration.
            pub fn fields(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

loop_counters! {
    /// Turns of the loop: one look at what is ready, then one run through it.
    turns,
    /// Callbacks, I/O events and due timers that were run.
    callbacks,
    /// Questions to the system for I/O events, whether or not they had to wait.
    polls,
    /// Polls that were allowed to sleep.
    parks,
    /// I/O events that the system reported.
    events,
    /// Timers that came due.
    timers,
    /// Items that came in from other threads.
    inbox,
    /// Nanoseconds asleep, as far as an I/O event ended the sleep.
    slept_until_event,
    /// Nanoseconds asleep, as far as a timer that came due ended the sleep.
    slept_until_timer,
    /// Nanoseconds asleep, as far as another thread ended the sleep, or a signal.
    slept_until_inbox,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_what_was_published_and_nothing_later() {
        let counters = LoopCounters::default();
        let mut batch = LoopBatch { turns: 3, events: 7, ..LoopBatch::default() };
        counters.publish(&batch);
        batch.turns = 4;
        let seen = counters.snapshot();
        assert_eq!((seen.turns, seen.events, seen.timers), (3, 7, 0));
        counters.publish(&batch);
        assert_eq!(counters.snapshot().turns, 4);
    }

    #[test]
    fn fields_are_named_in_order() {
        let names: Vec<_> = LoopSnapshot::default().fields().into_iter().map(|f| f.0).collect();
        assert_eq!(names.first(), Some(&"turns"));
        assert_eq!(names.len(), 10);
    }
}
