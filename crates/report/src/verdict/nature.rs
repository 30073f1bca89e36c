//! What a unit of work does with its time: the two-by-two of processor or waiting, with the GIL or
//! without it.

use super::choice::WORTH;
use super::contender::{self, Contender};
use crate::label::Kind;
use crate::{Form, Shares};

/// What a unit waits for. The order is that of the sentences about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Network,
    Disk,
    Sleep,
    Child,
    Lock,
}

impl Wait {
    /// All kinds that belong to the work. Waiting for the GIL or for a processor does not: others
    /// cause it.
    pub(crate) const ALL: [Wait; 5] =
        [Wait::Network, Wait::Disk, Wait::Sleep, Wait::Child, Wait::Lock];

    /// Its part of `shares`.
    pub(crate) fn of(self, shares: &Shares) -> Option<f64> {
        match self {
            Wait::Network => shares.wait_network,
            Wait::Disk => shares.wait_disk,
            Wait::Sleep => shares.wait_sleep,
            Wait::Child => shares.wait_child,
            Wait::Lock => shares.wait_lock,
        }
    }

    /// What is waited for, in a sentence.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Wait::Network => "the network",
            Wait::Disk => "the disk",
            Wait::Sleep => "a timer",
            Wait::Child => "child processes",
            Wait::Lock => "locks",
        }
    }
}

/// What a unit of work does, seen where the least disturbs it: in plain code if that was measured,
/// else at the smallest concurrency. Shares are of the unit's own time, without what it waited for
/// the GIL and for a processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature<'a> {
    /// The row it was seen in.
    pub(crate) row: &'a Form,
    /// Whether the shares are those of a loop's thread, not of a unit.
    pub(crate) of_loop: bool,
    /// On a processor with the GIL; zero where that cannot be told from native code.
    pub(crate) python: f64,
    /// On a processor without the GIL; zero where that cannot be told from Python.
    pub(crate) native: f64,
    /// On a processor.
    pub(crate) cpu: f64,
    /// Off the processor with the GIL held.
    pub(crate) held: f64,
    /// Seconds of one unit, without waiting for the GIL and for a processor.
    pub(crate) unit_s: f64,
    shares: Shares,
    own: f64,
}

impl<'a> Nature<'a> {
    /// Looks for the row that tells, among all that can win; `None` if none has shares.
    pub(crate) fn find(rows: &'a [Form], items: u64) -> Option<Self> {
        let mut all = contender::eligible(rows);
        all.retain(|one| one.row.shares.is_some());
        all.sort_by_key(|one| {
            let kind = Kind::of(&one.row.form);
            // What a loop's thread does is the last resort: its idle time is no unit's.
            let view = if kind.is_loop() { u8::MAX } else { kind.simplicity() };
            (view, one.row.concurrency.unwrap_or(1))
        });
        Self::of(all.first()?, items)
    }

    fn of(seen: &Contender<'a>, items: u64) -> Option<Self> {
        let shares = seen.row.shares?;
        let known = |share: Option<f64>| share.filter(|share| share.is_finite()).unwrap_or(0.0);
        let own = (1.0 - known(shares.wait_gil) - known(shares.run_queue)).max(0.01);
        let of_loop = Kind::of(&seen.row.form).is_loop();
        let at_a_time = if of_loop { 1 } else { seen.row.concurrency.unwrap_or(1).max(1) };
        let unit_s = seen.median * at_a_time as f64 / items.max(1) as f64 * own;
        let of_own = |share: f64| (share / own).clamp(0.0, 1.0);
        let (python, native, cpu) = match (shares.cpu_python, shares.cpu_native) {
            (Some(python), Some(native)) => (of_own(python), of_own(native), python + native),
            // What is no wait is on a processor, in Python or not.
            _ => {
                let waits = Wait::ALL.iter().map(|wait| known(wait.of(&shares)));
                (0.0, 0.0, own - waits.sum::<f64>())
            }
        };
        Some(Nature {
            row: seen.row,
            of_loop,
            python,
            native,
            cpu: of_own(cpu),
            held: of_own(known(seen.row.held_waiting)),
            unit_s,
            shares,
            own,
        })
    }

    /// Whether Python can be told from native code.
    pub(crate) fn is_split(&self) -> bool {
        self.shares.cpu_python.is_some() && self.shares.cpu_native.is_some()
    }

    /// Waiting for `wait`.
    pub(crate) fn wait(&self, wait: Wait) -> f64 {
        (wait.of(&self.shares).unwrap_or(0.0) / self.own).min(1.0)
    }

    /// Waiting for anything of its own with the GIL free, whether or not it is known for what.
    pub(crate) fn waits(&self) -> f64 {
        (1.0 - self.cpu - self.held).clamp(0.0, 1.0)
    }

    /// What it waits for the longest.
    pub(crate) fn longest_wait(&self) -> Wait {
        Wait::ALL
            .into_iter()
            .max_by(|a, b| self.wait(*a).total_cmp(&self.wait(*b)))
            .unwrap_or(Wait::Network)
    }

    /// Whether it is on a processor for most of its time.
    pub(crate) fn is_cpu_bound(&self) -> bool {
        self.cpu >= 0.5
    }

    /// Whether so much of a unit is Python that threads cannot gain what another form is worth:
    /// with a share h of it, they gain 1/h at most (Amdahl).
    pub(crate) fn is_serial(&self) -> bool {
        !self.of_loop && self.is_split() && WORTH * self.python >= 1.0
    }

    /// Seconds on a processor with the GIL, per unit; `None` where that cannot be told.
    pub(crate) fn python_s(&self) -> Option<f64> {
        self.is_split().then_some(self.python * self.unit_s)
    }

    /// Waiting for a processor, as a share of all time.
    pub(crate) fn run_queue(&self) -> f64 {
        self.shares.run_queue.unwrap_or(0.0)
    }
}
