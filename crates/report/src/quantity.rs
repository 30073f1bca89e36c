//! Numbers as people read them: three digits and a unit.

/// What stands where a number is not known.
pub(crate) const UNKNOWN: &str = "-";

/// Three significant digits; more before the point are kept.
pub(crate) fn digits(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        UNKNOWN.to_owned()
    } else if size >= 99.95 {
        format!("{number:.0}")
    } else if size >= 9.995 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// The unit for durations like this one: how many of it are a second, and its sign.
fn unit_of_time(seconds: f64) -> (f64, &'static str) {
    match seconds.abs() {
        size if size >= 0.9995 => (1.0, "s"),
        size if size >= 0.9995e-3 => (1e3, "ms"),
        size if size >= 0.9995e-6 => (1e6, "µs"),
        _ => (1e9, "ns"),
    }
}

/// A duration: `12.3 ms`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds == 0.0 {
        return "0 s".to_owned();
    }
    let (per_second, unit) = unit_of_time(seconds);
    format!("{} {unit}", digits(seconds * per_second))
}

/// A duration and how far it strays, in one unit: `12.3 ms ±0.4`.
pub(crate) fn seconds_with_spread(low: f64, median: f64, high: f64) -> String {
    let (per_second, unit) = unit_of_time(median);
    let half = (high - low) / 2.0 * per_second;
    // No more decimals than the median shows.
    let median = median * per_second;
    let decimals = if median >= 99.95 {
        0
    } else if median >= 9.995 {
        1
    } else {
        2
    };
    format!("{} {unit} ±{half:.decimals$}", digits(median))
}

/// An interval of durations in the unit of its upper end: `11.2–13.0 ms`.
pub(crate) fn interval(low: f64, high: f64) -> String {
    let (per_second, unit) = unit_of_time(high);
    format!("{}–{} {unit}", digits(low * per_second), digits(high * per_second))
}

/// Two durations in the unit of the second: `3.80/9.10 ms`.
pub(crate) fn pair(first: Option<f64>, second: Option<f64>) -> String {
    match (first, second) {
        (Some(first), Some(second)) => {
            let (per_second, unit) = unit_of_time(second);
            format!("{}/{} {unit}", digits(first * per_second), digits(second * per_second))
        }
        (Some(first), None) => format!("{}/{UNKNOWN}", seconds(first)),
        (None, Some(second)) => format!("{UNKNOWN}/{}", seconds(second)),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// Bytes: `1.10 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut rest = bytes;
    let mut unit = 0;
    while rest.abs() >= 1023.5 && unit + 1 < UNITS.len() {
        rest /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{rest:.0} B") } else { format!("{} {}", digits(rest), UNITS[unit]) }
}

/// A number of things, or of things per second: `4762`, `123k`, `1.20M`.
pub(crate) fn amount(number: f64) -> String {
    match number.abs() {
        size if size >= 999.5e3 => format!("{}M", digits(number / 1e6)),
        size if size >= 99_999.5 => format!("{}k", digits(number / 1e3)),
        _ => digits(number),
    }
}

/// How many times as much: `3.50x`.
pub(crate) fn factor(factor: f64) -> String {
    format!("{}x", digits(factor))
}

/// A share as whole percents, without the sign.
pub(crate) fn percents(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

/// A share: `39 %`. What is there, but rounds to nothing, is `<1 %`.
pub(crate) fn percent(share: f64) -> String {
    let percents = percents(share);
    if share > 0.0 && percents == "0" { "<1 %".to_owned() } else { format!("{percents} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_unit_that_fits() {
        assert_eq!(seconds(0.0), "0 s");
        assert_eq!(seconds(2.025), "2.02 s");
        assert_eq!(seconds(0.0123), "12.3 ms");
        assert_eq!(seconds(0.9999), "1.00 s");
        assert_eq!(seconds(71e-6), "71.0 µs");
        assert_eq!(seconds(38e-9), "38.0 ns");
        assert_eq!(seconds(1044.4), "1044 s");
    }

    #[test]
    fn a_spread_has_the_decimals_of_its_median() {
        assert_eq!(seconds_with_spread(0.0110, 0.0123, 0.0134), "12.3 ms ±1.2");
        assert_eq!(seconds_with_spread(0.990, 1.0, 1.03), "1.00 s ±0.02");
        assert_eq!(interval(0.0009, 0.0012), "0.90–1.20 ms");
        assert_eq!(pair(Some(0.0038), Some(0.0091)), "3.80/9.10 ms");
    }

    #[test]
    fn bytes_amounts_and_shares() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(1126.4), "1.10 KiB");
        assert_eq!(bytes(9.3 * 1024.0 * 1024.0), "9.30 MiB");
        assert_eq!(amount(4762.1), "4762");
        assert_eq!(amount(123_456.0), "123k");
        assert_eq!(amount(1.2e6), "1.20M");
        assert_eq!(percent(0.004), "<1 %");
        assert_eq!(percent(0.39), "39 %");
        assert_eq!(factor(3.5), "3.50x");
        assert_eq!(digits(f64::INFINITY), UNKNOWN);
    }
}
