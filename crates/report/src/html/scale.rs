//! From a value to its place on an axis, and the ticks of that axis.

/// Over this ratio of largest to smallest a linear axis would press the small ones flat.
const LOGARITHMIC_FROM: f64 = 100.0;
const TICKS: f64 = 5.0;

/// An axis from the smallest to the largest value shown.
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Scale {
    /// An axis of values that double: ticks at the `values` themselves, as many as have room.
    pub(super) fn doubling(values: impl Iterator<Item = f64>) -> Self {
        let mut ticks: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        let low = ticks.first().copied().unwrap_or(1.0);
        let high = ticks.last().copied().unwrap_or(1.0);
        let mut scale = Self { low, high, logarithmic: true, ticks: Vec::new() };
        let mut last = f64::NEG_INFINITY;
        for tick in ticks {
            if scale.place(tick) - last >= 0.08 {
                last = scale.place(tick);
                scale.ticks.push(tick);
            }
        }
        scale
    }

    /// An axis for `values`: linear from zero, or logarithmic where they lie far apart. `base` is
    /// what round numbers are made of: 10, or 2 for bytes.
    pub(super) fn fitting(values: impl Iterator<Item = f64>, base: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| value.is_normal() && *value > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        if high == 0.0 {
            (low, high) = (1.0, 1.0);
        }
        if high / low > LOGARITHMIC_FROM {
            Self::logarithmic(low, high, base)
        } else {
            Self::linear(high, base)
        }
    }

    fn linear(high: f64, base: f64) -> Self {
        let step = round_up(high / TICKS, base);
        let count = (high / step).ceil();
        let ticks = (0..=count as u32).map(|tick| f64::from(tick) * step).collect();
        Self { low: 0.0, high: count * step, logarithmic: false, ticks }
    }

    fn logarithmic(low: f64, high: f64, base: f64) -> Self {
        let first = (low.ln() / base.ln() + 1e-9).floor();
        let last = (high.ln() / base.ln() - 1e-9).ceil();
        let step = ((last - first) / TICKS).ceil().max(1.0);
        let count = ((last - first) / step).ceil();
        let tick = |tick: u32| base.powf(first + f64::from(tick) * step);
        let ticks: Vec<f64> = (0..=count as u32).map(tick).collect();
        let high = ticks.last().copied().unwrap_or(high);
        Self { low: base.powf(first), high, logarithmic: true, ticks }
    }

    /// Where `value` lies: 0 at the axis' start, 1 at its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        if self.low == self.high {
            0.5
        } else if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    pub(super) fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }
}

/// The next round number from `value` up: 1, 2 or 5 times a power of ten, or a power of two.
fn round_up(value: f64, base: f64) -> f64 {
    let power = base.powf((value.ln() / base.ln() - 1e-9).floor());
    let steps: &[f64] = if base == 2.0 { &[1.0, 2.0] } else { &[1.0, 2.0, 5.0, 10.0] };
    let fits = |step: &&f64| **step * power >= value * (1.0 - 1e-9);
    steps.iter().find(fits).unwrap_or(&base) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_values_share_a_linear_axis_from_zero() {
        let scale = Scale::fitting([3.1, 9.3].into_iter(), 10.0);
        assert_eq!(scale.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!(!scale.is_logarithmic());
        assert_eq!(scale.place(5.0), 0.5);
    }

    #[test]
    fn distant_values_share_a_logarithmic_one() {
        let scale = Scale::fitting([10.0, 5260.0].into_iter(), 10.0);
        assert_eq!(scale.ticks(), [10.0, 100.0, 1000.0, 10000.0]);
        assert!((scale.place(100.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn bytes_step_by_powers_of_two() {
        let scale = Scale::fitting([31e6, 205e6].into_iter(), 2.0);
        assert_eq!(scale.ticks()[1], f64::from(1 << 26));
    }

    #[test]
    fn doubling_values_are_evenly_apart() {
        let scale = Scale::doubling([1.0, 4.0, 2.0, 4.0].into_iter());
        assert_eq!(scale.ticks(), [1.0, 2.0, 4.0]);
        assert_eq!(scale.place(2.0), 0.5);
    }

    #[test]
    fn values_beyond_all_reason_have_an_axis_too() {
        for values in [[f64::MAX, f64::MIN_POSITIVE], [5e-324, -1.0], [f64::NAN, f64::INFINITY]] {
            for base in [2.0, 10.0] {
                let scale = Scale::fitting(values.into_iter(), base);
                assert!((1..10).contains(&scale.ticks().len()), "{:?}", scale.ticks());
            }
        }
    }

    #[test]
    fn a_lone_value_lies_in_the_middle() {
        assert_eq!(Scale::doubling([8.0].into_iter()).place(8.0), 0.5);
        assert!(!Scale::fitting([].into_iter(), 10.0).ticks().is_empty());
    }
}
