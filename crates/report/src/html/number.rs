//! Numbers of the report: rounded for the reader, the exact value and its place in the JSON at hand.

use super::markup::Markup;
use crate::quantity;

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
    /// A part of one, shown in percent.
    Share,
    /// Things, such as threads.
    Count,
    /// Things on average, such as switches per unit.
    Mean,
}

impl Unit {
    /// The unit's name, for who reads the page by a program.
    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::PerSecond => "per-second",
            Self::Bytes => "bytes",
            Self::Share => "share",
            Self::Count => "count",
            Self::Mean => "mean",
        }
    }

    /// `value` for a reader.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => quantity::seconds(value),
            Self::PerSecond => format!("{} /s", quantity::amount(value)),
            Self::Bytes => quantity::bytes(value),
            Self::Share => quantity::percent(value),
            Self::Count => format!("{value:.0}"),
            Self::Mean => quantity::digits(value),
        }
    }

    /// A round `value` beside an axis whose title says what is counted.
    pub(super) fn tick(self, value: f64) -> String {
        let shown = match self {
            Self::PerSecond => quantity::amount(value),
            _ => self.show(value),
        };
        let end = shown.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (digits, unit) = shown.split_at(end.unwrap_or(shown.len()));
        match digits.split_once('.') {
            Some((_, part)) if part.chars().any(|digit| digit != '0') => {
                format!("{}{unit}", digits.trim_end_matches('0'))
            }
            Some((whole, _)) => format!("{whole}{unit}"),
            None => shown,
        }
    }

    /// `value` with all its digits.
    fn exact(self, value: f64) -> String {
        let unit = match self {
            Self::Seconds => " s",
            Self::PerSecond => " per second",
            Self::Bytes => " bytes",
            Self::Share | Self::Count | Self::Mean => "",
        };
        format!("{value}{unit}")
    }
}

/// Write a number of the report; `path` says where it stands in the JSON.
pub(super) fn number(page: &mut Markup, path: &str, value: Option<f64>, unit: Unit) {
    let Some(value) = value else {
        page.element("span", &[("data-path", path)], quantity::UNKNOWN);
        return;
    };
    let exact = unit.exact(value);
    let attributes = [("data-path", path), ("data-unit", unit.name()), ("title", &exact)];
    page.element("span", &attributes, unit.show(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_no_digits_to_spare() {
        assert_eq!(Unit::Seconds.tick(0.05), "50 ms");
        assert_eq!(Unit::Seconds.tick(0.0025), "2.5 ms");
        assert_eq!(Unit::PerSecond.tick(0.0), "0");
        assert_eq!(Unit::PerSecond.tick(1000.0), "1000");
        assert_eq!(Unit::Bytes.tick(67_108_864.0), "64 MiB");
    }

    #[test]
    fn the_exact_value_stands_behind_the_rounded_one() {
        let mut page = Markup::default();
        number(&mut page, "forms.0.cpu_s", Some(0.012345678), Unit::Seconds);
        let shown = "<span data-path=\"forms.0.cpu_s\" data-unit=\"seconds\" \
                     title=\"0.012345678 s\">12.3 ms</span>";
        assert_eq!(page.into_string(), shown);
    }
}
