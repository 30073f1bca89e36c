//! How long things took.

/// Steps per doubling: a quantile is off by an eighth at most.
const STEPS: usize = 4;
/// Doublings of a nanosecond that are told apart: up to two and a half hours.
const DOUBLINGS: usize = 43;

/// Durations, counted by their size.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Made with the first duration: most functions of a program never wait.
    buckets: Vec<u32>,
    count: u64,
    /// Nanoseconds.
    sum: u64,
    max: u64,
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let doubling = (nanoseconds | 1).ilog2() as usize;
    // The two bits below the leading one.
    let step =
        if doubling >= 2 { (nanoseconds >> (doubling - 2)) as usize & (STEPS - 1) } else { 0 };
    doubling.min(DOUBLINGS - 1) * STEPS + step
}

/// The middle of what falls into `bucket`, in nanoseconds.
fn middle(bucket: usize) -> f64 {
    let (doubling, step) = (bucket / STEPS, bucket % STEPS);
    let from = (1u64 << doubling) as f64;
    from * (1.0 + (step as f64 + 0.5) / STEPS as f64)
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, nanoseconds: u64) {
        if self.buckets.is_empty() {
            self.buckets.resize(DOUBLINGS * STEPS, 0);
        }
        let place = &mut self.buckets[bucket(nanoseconds)];
        *place = place.saturating_add(1);
        self.count += 1;
        self.sum = self.sum.saturating_add(nanoseconds);
        self.max = self.max.max(nanoseconds);
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Histogram) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            for (place, count) in self.buckets.iter_mut().zip(&other.buckets) {
                *place = place.saturating_add(*count);
            }
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean in seconds; zero without durations.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 * 1e-9 }
    }

    /// The longest in seconds.
    pub fn max(&self) -> f64 {
        self.max as f64 * 1e-9
    }

    /// The duration in seconds that the share `quantile` (0 to 1) does not exceed, within an
    /// eighth.
    pub fn quantile(&self, quantile: f64) -> f64 {
        let wanted = (self.count as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= wanted {
                return (middle(bucket) * 1e-9).min(self.max());
            }
        }
        self.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_an_eighth() {
        let mut histogram = Histogram::default();
        for microseconds in 1..=1000u64 {
            histogram.record(microseconds * 1000);
        }
        assert_eq!(histogram.count(), 1000);
        assert!((histogram.mean() - 500.5e-6).abs() < 1e-9);
        assert!((histogram.max() - 1e-3).abs() < 1e-12);
        for (quantile, exact) in [(0.5, 500e-6), (0.9, 900e-6), (0.99, 990e-6)] {
            let found = histogram.quantile(quantile);
            assert!((found / exact - 1.0f64).abs() <= 0.125, "{quantile}: {found}");
        }
    }

    #[test]
    fn two_together_are_as_one() {
        let (mut first, mut second, mut both) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for nanoseconds in 1..100 {
            let one = if nanoseconds % 3 == 0 { &mut first } else { &mut second };
            one.record(nanoseconds);
            both.record(nanoseconds);
        }
        let mut merged = Histogram::default();
        merged.merge(&first);
        merged.merge(&second);
        assert_eq!(merged, both);
    }

    #[test]
    fn every_duration_has_a_place() {
        let mut histogram = Histogram::default();
        for nanoseconds in [0, 1, 2, 3, 4, 7, u64::MAX] {
            histogram.record(nanoseconds);
        }
        assert_eq!(histogram.count(), 7);
        assert!(histogram.quantile(0.0) >= 0.0);
        assert!(histogram.quantile(1.0) > 0.0);
        assert!(Histogram::default().quantile(0.5) == 0.0);
    }
}
