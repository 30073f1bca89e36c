//! What a pool counts.

use crate::histogram::Histogram;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Functions that are told apart. What comes later counts as function zero.
const MAX_FUNCTIONS: usize = 512;

/// The hash of an address: its bits, mixed by one multiplication.
#[derive(Debug, Default, Clone)]
pub struct ByAddress(u64);

impl Hasher for ByAddress {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, address: usize) {
        // The fractional bits of the golden ratio; the table takes the upper bits for its tags.
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// One job that was run. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Which function: a number that the caller gives.
    pub function: usize,
    /// From the giving of the job to its start.
    pub queue_wait: u64,
    /// What of that a worker that was awake waited for the interpreter; zero if it had it.
    pub gil_wait: u64,
    /// From the start to the end.
    pub run: u64,
    /// Whether it raised.
    pub failed: bool,
}

/// One function.
#[derive(Debug, Clone, Default)]
pub struct FunctionBatch {
    /// Jobs that raised.
    pub failed: u64,
    /// See [`Sample::queue_wait`].
    pub queue_wait: Histogram,
    /// See [`Sample::run`].
    pub run: Histogram,
}

impl FunctionBatch {
    /// Adds what was counted of another function.
    pub fn merge(&mut self, other: &FunctionBatch) {
        self.failed += other.failed;
        self.queue_wait.merge(&other.queue_wait);
        self.run.merge(&other.run);
    }
}

/// All that a pool counts.
#[derive(Debug, Clone, Default)]
pub struct PoolBatch {
    /// Threads that live or are being started.
    pub workers: u64,
    /// Workers without a job.
    pub idle: u64,
    /// Workers that wait for something that the pool has to do.
    pub blocked: u64,
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that run.
    pub running: u64,
    /// Workers above the size of the pool, in the place of blocked ones.
    pub overflow: u64,
    /// Jobs that were taken in.
    pub submitted: u64,
    /// Jobs that returned.
    pub completed: u64,
    /// Jobs that raised.
    pub failed: u64,
    /// Jobs that were cancelled before they ran.
    pub cancelled: u64,
    /// Running jobs that nobody waits for any more.
    pub abandoned: u64,
    /// Threads that were started.
    pub threads_started: u64,
    /// Threads that have ended.
    pub threads_ended: u64,
    /// Jobs that found every worker busy and the pool at its size.
    pub saturated: u64,
    /// See [`Sample::queue_wait`].
    pub queue_wait: Histogram,
    /// See [`Sample::gil_wait`].
    pub gil_wait: Histogram,
    /// See [`Sample::run`].
    pub run: Histogram,
    /// From the end of a job to the moment when who waited for it goes on.
    pub wake: Histogram,
    /// The same per function.
    pub functions: HashMap<usize, FunctionBatch, BuildHasherDefault<ByAddress>>,
}

impl PoolBatch {
    /// Counts a job.
    pub fn record(&mut self, sample: &Sample) {
        self.completed += u64::from(!sample.failed);
        self.failed += u64::from(sample.failed);
        self.queue_wait.record(sample.queue_wait);
        self.gil_wait.record(sample.gil_wait);
        self.run.record(sample.run);
        let room = self.functions.len() < MAX_FUNCTIONS;
        let known = room || self.functions.contains_key(&sample.function);
        let function = self.functions.entry(if known { sample.function } else { 0 }).or_default();
        function.failed += u64::from(sample.failed);
        function.queue_wait.record(sample.queue_wait);
        function.run.record(sample.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted_as_a_whole_and_by_function() {
        let mut batch = PoolBatch::default();
        for (function, run, failed) in [(7, 10, false), (7, 30, true), (9, 20, false)] {
            batch.record(&Sample { function, run, failed, ..Sample::default() });
        }
        assert_eq!((batch.completed, batch.failed, batch.run.count()), (2, 1, 3));
        assert_eq!(batch.functions[&7].run.count(), 2);
        assert_eq!(batch.functions[&7].failed, 1);
        assert_eq!(batch.functions[&9].failed, 0);
    }

    #[test]
    fn functions_without_end_take_no_memory_without_end() {
        let mut batch = PoolBatch::default();
        for function in 1..10_000 {
            batch.record(&Sample { function, ..Sample::default() });
        }
        assert!(batch.functions.len() <= MAX_FUNCTIONS + 1);
        assert_eq!(batch.completed, 9_999);
    }
}
