//! When the watching thread looks, and from where.

use super::machine::{processors, stay_on};
use super::thread::ProcessorTime;
use std::time::{Duration, Instant};

/// Share of one processor that watching may take; it looks less often if it took more.
const COST: f64 = 0.015;
/// The longest time between two looks, unless it was longer from the beginning.
const LONGEST: Duration = Duration::from_millis(50);

/// The processor from which the watching thread looks, so that it is not in the way of those that
/// it looks at: one of those that this process may use.
#[derive(Default)]
pub(super) struct Seat {
    allowed: Option<Vec<usize>>,
    next: usize,
}

impl Seat {
    /// Goes to another processor, if there is one, but does not stay there: behind who computes on
    /// it the watching thread would wait until that one pauses, and so look at chosen moments.
    pub(super) fn change(&mut self) {
        let allowed = self.allowed.get_or_insert_with(processors);
        if allowed.len() > 1 {
            self.next = (self.next + 1) % allowed.len();
            // Where it is not allowed, the samples are not fair, and say so.
            stay_on(&[allowed[self.next]]);
            stay_on(allowed);
        }
    }
}

/// When to look next.
pub(super) struct Pace {
    period: Duration,
    longest: Duration,
    random: u64,
}

impl Pace {
    pub(super) fn new(rate: f64) -> Self {
        let seed = std::process::id() as u64 ^ Instant::now().elapsed().as_nanos() as u64;
        let period = Duration::from_secs_f64(1.0 / rate);
        Pace { period, longest: period.max(LONGEST), random: seed | 1 << 32 }
    }

    /// A number below `bound`, by Marsaglia's xorshift: it only has to be out of step.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) as usize % bound.max(1)
    }

    /// Half a period to one and a half.
    pub(super) fn next(&mut self) -> Duration {
        let thousandths = 500 + self.below(1001) as u32;
        self.period * thousandths / 1000
    }

    pub(super) fn keep_cheap(&mut self, elapsed: Duration) {
        let own = ProcessorTime::of_this_thread().unwrap_or_default().on;
        if own as f64 * 1e-9 > COST * elapsed.as_secs_f64() {
            self.period = (self.period * 3 / 2).min(self.longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_out_of_step_and_cheap() {
        let mut pace = Pace::new(100.0);
        let waits: Vec<Duration> = (0..1000).map(|_| pace.next()).collect();
        let (short, long) = (Duration::from_millis(5), Duration::from_millis(15));
        assert!(waits.iter().all(|&wait| (short..=long).contains(&wait)));
        let mean = waits.iter().sum::<Duration>() / 1000;
        assert!((9..=11).contains(&mean.as_millis()), "{mean:?}");
        while ProcessorTime::of_this_thread().expect("Linux counts").on == 0 {}
        pace.keep_cheap(Duration::from_nanos(1));
        assert_eq!(pace.period, Duration::from_millis(15));
    }

    #[test]
    fn who_asks_for_few_looks_gets_few() {
        let mut pace = Pace::new(4.0);
        assert_eq!(pace.period, Duration::from_millis(250));
        while ProcessorTime::of_this_thread().expect("Linux counts").on == 0 {}
        pace.keep_cheap(Duration::from_nanos(1));
        assert_eq!(pace.period, Duration::from_millis(250));
    }
}
