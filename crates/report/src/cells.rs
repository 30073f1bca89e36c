//! The cells of a row, the same in every table of text.

use crate::quantity::{self, UNKNOWN, amount, bytes, digits, factor, percents};
use crate::{Form, Shares, label};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Form,
    Time,
    Ratio,
    Throughput,
    Latency,
    Cpu,
    Waits,
    Gil,
    Switches,
    Memory,
}

impl Column {
    /// All columns, in their order.
    pub(crate) const ALL: [Column; 10] = [
        Column::Form,
        Column::Time,
        Column::Ratio,
        Column::Throughput,
        Column::Latency,
        Column::Cpu,
        Column::Waits,
        Column::Gil,
        Column::Switches,
        Column::Memory,
    ];

    /// The heading.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Column::Form => "form",
            Column::Time => "time",
            Column::Ratio => "ratio",
            Column::Throughput => "items/s",
            Column::Latency => "p50/p99",
            Column::Cpu => "py+C%",
            Column::Waits => "waits%",
            Column::Gil => "GIL%",
            Column::Switches => "switch",
            Column::Memory => "mem/unit",
        }
    }

    /// Whether it is text, which begins at the left.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Column::Form | Column::Waits)
    }
}

/// The cell of a measured row. `shortest` is the time that the ratio compares with, `waits` how
/// many kinds of wait are named.
pub(crate) fn cell(
    row: &Form,
    column: Column,
    name: &str,
    shortest: Option<f64>,
    waits: usize,
) -> String {
    let unknown = || UNKNOWN.to_owned();
    match column {
        Column::Form => name.to_owned(),
        Column::Time => time(row),
        Column::Ratio => row
            .elapsed()
            .zip(shortest)
            .map_or_else(unknown, |((_, median, _), shortest)| factor(median / shortest)),
        Column::Throughput => row.throughput_per_s.map_or_else(unknown, amount),
        Column::Latency => row
            .latency_s
            .as_ref()
            .map_or_else(unknown, |latency| quantity::pair(latency.p50, latency.p99)),
        Column::Cpu => row.shares.map_or_else(unknown, |shares| on_cpu(&shares)),
        Column::Waits => row.shares.map_or_else(unknown, |shares| off_cpu(&shares, waits)),
        Column::Gil => row.gil_share.map_or_else(unknown, percents),
        Column::Switches => row
            .switches_per_unit
            .as_ref()
            .and_then(|switches| switches.voluntary)
            .map_or_else(unknown, digits),
        Column::Memory => row.bytes_per_unit.map_or_else(unknown, bytes),
    }
}

/// The time and its spread, which one round does not tell.
fn time(row: &Form) -> String {
    match row.elapsed() {
        None => UNKNOWN.to_owned(),
        Some((_, median, _)) if row.rounds.0 == Some(1) => {
            format!("{} ±?", quantity::seconds(median))
        }
        Some((low, median, high)) => quantity::seconds_with_spread(low, median, high),
    }
}

/// What stands in the place of the numbers of a predicted row.
pub(crate) fn prediction(row: &Form) -> String {
    let note = row.note.as_deref().map(label::printable);
    let band = row.band.as_ref().and_then(|band| band.low.zip(band.high));
    match (row.elapsed(), band) {
        (Some((_, median, _)), Some((low, high))) => {
            let note = note.map_or_else(String::new, |note| format!("; {note}"));
            let band = quantity::interval(low, high);
            format!("~{} ({band}) predicted from threads{note}", quantity::seconds(median))
        }
        _ => note.unwrap_or_else(|| "not predicted".to_owned()),
    }
}

/// Percents on a processor: `60+1`, in Python and in native code.
fn on_cpu(shares: &Shares) -> String {
    let part = |share: Option<f64>| share.map_or_else(|| "?".to_owned(), percents);
    format!("{}+{}", part(shares.cpu_python), part(shares.cpu_native))
}

/// Percents off the processor, the longest waits first: `net 71 gil 5`. Only those from half a
/// percent on, and at most `most`.
fn off_cpu(shares: &Shares, most: usize) -> String {
    let mut waits: Vec<(f64, &str)> = waits(shares)
        .into_iter()
        .filter_map(|(name, share)| share.map(|share| (share, name)))
        .filter(|(share, _)| *share >= 0.005)
        .collect();
    waits.sort_by(|a, b| b.0.total_cmp(&a.0));
    waits.truncate(most.max(1));
    if waits.is_empty() {
        return "none".to_owned();
    }
    let parts: Vec<String> =
        waits.into_iter().map(|(share, name)| format!("{name} {}", percents(share))).collect();
    parts.join(" ")
}

fn waits(shares: &Shares) -> [(&'static str, Option<f64>); 7] {
    [
        ("net", shares.wait_network),
        ("disk", shares.wait_disk),
        ("sleep", shares.wait_sleep),
        ("child", shares.wait_child),
        ("lock", shares.wait_lock),
        ("gil", shares.wait_gil),
        ("runq", shares.run_queue),
    ]
}
