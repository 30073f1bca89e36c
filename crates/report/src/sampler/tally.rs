//! Where sampled time went.

use super::descriptors::Held;
use super::syscall::Wait;

/// The kinds of time of a report, in its order. The last is never sampled: the kernel counts it.
pub const KINDS: [&str; 9] = [
    "cpu_python",
    "cpu_native",
    "wait_network",
    "wait_disk",
    "wait_sleep",
    "wait_child",
    "wait_lock",
    "wait_gil",
    "run_queue",
];

/// What a thread was seen doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Running, or ready to; `None`: nobody knows whether with the GIL.
    Running {
        /// Whether the thread holds the GIL.
        holds_gil: Option<bool>,
        /// Whether this is a fair sample of what the thread does. It is not if the look took its
        /// processor away, since the system does that where it suits: at the end of a system
        /// call, say. Nor if the thread took the GIL or lost it during the look.
        fair: bool,
    },
    /// Waiting for the GIL.
    AwaitsGil,
    /// Waiting for something else.
    Waits {
        /// For what.
        what: Wait,
        /// Whether it holds the GIL meanwhile, so that nobody else can run.
        holds_gil: bool,
    },
}

/// Sums of sampled time, in seconds. One sample stands for the time since the one before.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tally {
    /// Running with the GIL.
    pub python: f64,
    /// Running without it.
    pub native: f64,
    /// The same in samples that are not fair.
    pub unfair_python: f64,
    /// The same without it.
    pub unfair_native: f64,
    /// Running, and nobody knows with what.
    pub running: f64,
    /// Waiting for the GIL.
    pub gil: f64,
    /// Waiting for the network.
    pub network: f64,
    /// Waiting for a file system.
    pub disk: f64,
    /// Waiting for a moment in time.
    pub sleep: f64,
    /// Waiting for a child process.
    pub child: f64,
    /// Waiting for another thread.
    pub lock: f64,
    /// In a selector that watches sockets.
    pub selector_sockets: f64,
    /// In a selector that watches one socket and no child: asyncio's own loop has one for wake-ups.
    pub selector_socket: f64,
    /// In a selector that watches children or their pipes, and no socket.
    pub selector_children: f64,
    /// In a selector that watches nothing but wake-ups.
    pub selector_idle: f64,
    /// Waiting for anything but the GIL with the GIL held.
    pub held_waiting: f64,
}

impl Tally {
    /// Adds `seconds` of a thread that was seen `doing`.
    pub fn add(&mut self, doing: Doing, seconds: f64) {
        match doing {
            Doing::Running { holds_gil, fair } => {
                *match (holds_gil, fair) {
                    (None, _) => &mut self.running,
                    (Some(true), true) => &mut self.python,
                    (Some(false), true) => &mut self.native,
                    (Some(true), false) => &mut self.unfair_python,
                    (Some(false), false) => &mut self.unfair_native,
                } += seconds;
            }
            Doing::AwaitsGil => self.gil += seconds,
            Doing::Waits { what, holds_gil } => {
                *self.place(what) += seconds;
                if holds_gil {
                    self.held_waiting += seconds;
                }
            }
        }
    }

    fn place(&mut self, what: Wait) -> &mut f64 {
        match what {
            Wait::Network => &mut self.network,
            Wait::Disk => &mut self.disk,
            Wait::Sleep => &mut self.sleep,
            Wait::Child => &mut self.child,
            Wait::Lock => &mut self.lock,
            Wait::Selector(Held { sockets: 2.., .. }) => &mut self.selector_sockets,
            Wait::Selector(Held { children: true, .. }) => &mut self.selector_children,
            Wait::Selector(Held { sockets: 1, .. }) => &mut self.selector_socket,
            Wait::Selector(_) => &mut self.selector_idle,
        }
    }

    /// Seconds in which the threads ran or were ready to.
    pub fn on(&self) -> f64 {
        self.python + self.native + self.unfair_python + self.unfair_native + self.running
    }

    /// Seconds in selectors.
    pub fn selecting(&self) -> f64 {
        self.selector_sockets + self.selector_socket + self.selector_children + self.selector_idle
    }

    /// Seconds of waiting for what has a name of its own: all waits but selectors.
    pub fn waiting(&self) -> f64 {
        self.network + self.disk + self.sleep + self.child + self.lock + self.gil
    }

    /// The same without the threads that only waited for others: idle ones do that too.
    pub fn busy_waiting(&self) -> f64 {
        self.waiting() - self.lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_has_one_place() {
        let mut tally = Tally::default();
        let held = |sockets, children| Held { sockets, children, ..Held::default() };
        let waits = [
            Wait::Network,
            Wait::Disk,
            Wait::Sleep,
            Wait::Child,
            Wait::Lock,
            Wait::Selector(held(2, true)),
            Wait::Selector(held(1, false)),
            Wait::Selector(held(0, true)),
            Wait::Selector(held(0, false)),
        ];
        for what in waits {
            tally.add(Doing::Waits { what, holds_gil: what == Wait::Sleep }, 1.0);
        }
        for holds_gil in [None, Some(false), Some(true)] {
            tally.add(Doing::Running { holds_gil, fair: false }, 1.0);
            tally.add(Doing::Running { holds_gil, fair: true }, 1.0);
        }
        tally.add(Doing::AwaitsGil, 1.0);
        assert_eq!(tally.on(), 6.0);
        assert_eq!(tally.selecting(), 4.0);
        assert_eq!(tally.waiting(), 6.0);
        assert_eq!(tally.busy_waiting(), 5.0);
        assert_eq!(tally.held_waiting, 1.0);
    }
}
