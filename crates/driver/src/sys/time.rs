//! The clock.

/// Seconds of the monotonic clock, computed as CPython's `time.monotonic()` does: whole
/// nanoseconds, converted to `f64`, divided. The two agree to the last bit.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "the rounding of `time.monotonic()` is wanted")]
pub fn monotonic() -> f64 {
    nanoseconds() as f64 / 1e9
}

/// Nanoseconds of the same clock.
#[inline]
pub fn nanoseconds() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local; the clock exists on every supported system.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The resolution of the monotonic clock in seconds.
#[expect(clippy::cast_precision_loss, reason = "a resolution is a small number")]
pub fn resolution() -> f64 {
    let mut step = libc::timespec { tv_sec: 0, tv_nsec: 1 };
    // SAFETY: the pointer is to a local.
    unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC, &raw mut step) };
    (step.tv_sec * 1_000_000_000 + step.tv_nsec) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_does_not_go_back() {
        let mut last = super::monotonic();
        for _ in 0..10_000 {
            let now = super::monotonic();
            assert!(now >= last);
            last = now;
        }
        assert!(super::resolution() > 0.0);
    }
}
