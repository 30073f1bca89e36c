//! The two tables: each form at its best concurrency, and every row.

use super::markup::Markup;
use super::number::{Unit, number};
use super::series::{Row, Series};
use crate::model::{Fault, Report, Status};
use crate::{quantity, rows};

const HEADS: [&str; 10] = [
    "In flight",
    "Time for all items",
    "<span class=\"unseen\">Times beside one another</span>",
    "vs best",
    "Throughput",
    "p50",
    "p99",
    "CPU time",
    "GIL held",
    "Peak memory",
];

/// Each form at the concurrency that speaks for it, the fastest first.
pub(super) fn forms(page: &mut Markup, report: &Report, all: &[Series]) {
    let best = rows::shortest(&rows::lines(report));
    let chosen = all.iter().filter_map(Series::chosen);
    let highs = chosen.filter_map(|row| row.form.elapsed()).map(|(_, _, high)| high);
    let longest = highs.fold(0.0, f64::max);
    page.fixed(
        "<table class=\"forms\" role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">\
         <th scope=\"col\" role=\"columnheader\">Form</th>",
    );
    for name in HEADS {
        page.fixed("<th scope=\"col\" role=\"columnheader\">").fixed(name).fixed("</th>");
    }
    page.fixed("</tr></thead><tbody role=\"rowgroup\">");
    for series in all {
        let row = series.telling();
        let class = if series.is_taken() { "winner" } else { "" };
        page.open("tr", &[("role", "row"), ("class", class)]);
        page.fixed("<th scope=\"row\" role=\"rowheader\">");
        name(page, series, row);
        page.fixed("</th>");
        if series.chosen().is_some() {
            form_cells(page, row, best, longest);
        } else {
            page.fixed("<td role=\"cell\" colspan=\"10\" class=\"reason\">");
            reason(page, row);
            page.fixed("</td>");
        }
        page.fixed("</tr>");
    }
    page.fixed("</tbody></table>");
    failures(page, all);
}

/// The form's point and name, marked where it is predicted.
pub(super) fn name(page: &mut Markup, series: &Series, row: &Row) {
    let hollow = if row.is_predicted() { "point predicted" } else { "point" };
    page.open("span", &[("class", "name")]);
    page.open("svg", &[("class", series.look()), ("width", "14"), ("height", "14")]);
    page.open("use", &[("href", series.point()), ("x", "7"), ("y", "7"), ("class", hollow)]);
    page.fixed("</use></svg><span>");
    if row.is_predicted() {
        page.fixed("<abbr title=\"predicted, not measured\">~</abbr> ");
    }
    page.text(series.name);
    if let Some(function) = series.function {
        page.element("code", &[], function);
    }
    page.fixed("</span></span>");
}

fn form_cells(page: &mut Markup, row: &Row, best: Option<f64>, longest: f64) {
    let form = row.form;
    cell(page, row, "In flight", "concurrency", form.concurrency.float(), Unit::Count);
    page.fixed("<td role=\"cell\" class=\"time\" data-label=\"Time for all items\">");
    interval(page, row);
    page.fixed("</td><td role=\"cell\" class=\"strip\">");
    strip(page, row, longest);
    page.fixed("</td><td role=\"cell\" data-label=\"vs best\">");
    match row.form.elapsed().zip(best) {
        Some(((_, median, _), best)) => {
            let path = row.path("elapsed_s.median");
            page.element("span", &[("data-to-best", &path)], quantity::factor(median / best))
        }
        None => page.fixed(quantity::UNKNOWN),
    };
    page.fixed("</td>");
    cell(page, row, "Throughput", "throughput_per_s", form.throughput_per_s, Unit::PerSecond);
    let latency = form.latency_s.as_ref();
    let (p50, p99) = latency.map_or((None, None), |latency| (latency.p50, latency.p99));
    cell(page, row, "p50", "latency_s.p50", p50, Unit::Seconds);
    cell(page, row, "p99", "latency_s.p99", p99, Unit::Seconds);
    cell(page, row, "CPU time", "cpu_s", form.cpu_s, Unit::Seconds);
    cell(page, row, "GIL held", "gil_share", form.gil_share, Unit::Share);
    cell(page, row, "Peak memory", "peak_rss_bytes", form.peak_rss_bytes.float(), Unit::Bytes);
}

fn cell(
    page: &mut Markup,
    row: &Row,
    label: &'static str,
    field: &'static str,
    value: Option<f64>,
    unit: Unit,
) {
    page.open("td", &[("role", "cell"), ("data-label", label)]);
    number(page, &row.path(field), value, unit);
    page.fixed("</td>");
}

/// The median and, below it, between what it lies; one round tells no interval.
fn interval(page: &mut Markup, row: &Row) {
    let elapsed = row.form.elapsed_s.clone().unwrap_or_default();
    if row.is_predicted() {
        page.fixed("~ ");
    }
    number(page, &row.path("elapsed_s.median"), elapsed.median, Unit::Seconds);
    page.fixed("<small>");
    match &row.form.band {
        Some(band) => {
            number(page, &row.path("band.low"), band.low, Unit::Seconds);
            page.fixed(" – ");
            number(page, &row.path("band.high"), band.high, Unit::Seconds);
        }
        None if row.form.rounds == 1.into() => {
            number(page, &row.path("rounds"), row.form.rounds.float(), Unit::Count);
            page.fixed(" round");
        }
        None => {
            number(page, &row.path("elapsed_s.low"), elapsed.low, Unit::Seconds);
            page.fixed(" – ");
            number(page, &row.path("elapsed_s.high"), elapsed.high, Unit::Seconds);
        }
    }
    page.fixed("</small>");
}

/// The median as a bar and its interval as a line, beside those of the other forms.
fn strip(page: &mut Markup, row: &Row, longest: f64) {
    let Some((low, median, high)) = row.form.elapsed() else { return };
    let percent = |value: f64| format!("{:.3}%", value / longest * 100.0);
    page.fixed("<svg width=\"100%\" height=\"14\" aria-hidden=\"true\">");
    let hollow = if row.is_predicted() { "median predicted" } else { "median" };
    let width = percent(median);
    page.open("rect", &[("class", hollow), ("y", "3"), ("height", "8"), ("width", &width)]);
    page.fixed("</rect>");
    let (start, end) = (percent(low), percent(high));
    let ends = [("x1", start.as_str()), ("x2", &end), ("y1", "7"), ("y2", "7")];
    page.open("line", &ends).fixed("</line></svg>");
}

/// What became of a row that has no numbers: the word, the note, the first error and its line.
fn reason(page: &mut Markup, row: &Row) {
    let state = row.form.state();
    // The note of a refused prediction says so itself.
    if state != Status::Predicted || row.counts() {
        let word = state.as_str();
        page.element("span", &[("class", "status"), ("data-status", word)], word);
    }
    if let Some(note) = &row.form.note {
        page.open("span", &[("class", "said"), ("data-path", &row.path("note"))]);
        page.prose(note).fixed("</span>");
    }
    if let Some(fault) = row.form.errors.first() {
        first_error(page, row, fault);
    }
}

fn first_error(page: &mut Markup, row: &Row, fault: &Fault) {
    page.fixed("<span class=\"error\">");
    if let Some(place) = &fault.place {
        page.element("code", &[("data-path", &row.path("errors.0.where"))], place).fixed(" ");
    }
    page.element("code", &[("data-path", &row.path("errors.0.type"))], &fault.kind);
    if let Some(message) = &fault.message {
        page.fixed(": ");
        let path = row.path("errors.0.message");
        page.element("span", &[("class", "said"), ("data-path", &path)], message);
    }
    if fault.count > 1.into() {
        page.fixed(" (");
        number(page, &row.path("errors.0.count"), fault.count.float(), Unit::Count);
        page.fixed(" times)");
    }
    page.fixed("</span>");
}

/// The rows that ended early while another of their form stands in the table.
fn failures(page: &mut Markup, all: &[Series]) {
    let shown = all.iter().filter(|series| series.chosen().is_some());
    let mut failed = shown.flat_map(Series::failed).peekable();
    if failed.peek().is_none() {
        return;
    }
    page.fixed("<ul class=\"failures\">");
    for row in failed {
        page.fixed("<li>").element("b", &[], row.name()).fixed(" ");
        reason(page, row);
        page.fixed("</li>");
    }
    page.fixed("</ul>");
}

/// A column of the table of all rows: its head, the field in the JSON, its value.
type Column = (&'static str, &'static str, Unit, fn(&Row) -> Option<f64>);

const COLUMNS: [Column; 19] = [
    ("In flight", "concurrency", Unit::Count, |row| row.form.concurrency.float()),
    ("Time", "elapsed_s.median", Unit::Seconds, |row| row.form.elapsed_s.as_ref()?.median),
    ("low", "elapsed_s.low", Unit::Seconds, |row| row.form.elapsed_s.as_ref()?.low),
    ("high", "elapsed_s.high", Unit::Seconds, |row| row.form.elapsed_s.as_ref()?.high),
    ("Throughput", "throughput_per_s", Unit::PerSecond, |row| row.form.throughput_per_s),
    ("p50", "latency_s.p50", Unit::Seconds, |row| row.form.latency_s.as_ref()?.p50),
    ("p99", "latency_s.p99", Unit::Seconds, |row| row.form.latency_s.as_ref()?.p99),
    ("CPU time", "cpu_s", Unit::Seconds, |row| row.form.cpu_s),
    ("GIL held", "gil_share", Unit::Share, |row| row.form.gil_share),
    ("GIL held, waiting", "held_waiting", Unit::Share, |row| row.form.held_waiting),
    ("loop blocked", "blocking", Unit::Share, |row| row.form.blocking),
    ("Switches per unit, voluntary", "switches_per_unit.voluntary", Unit::Mean, |row| {
        row.form.switches_per_unit.as_ref()?.voluntary
    }),
    ("involuntary", "switches_per_unit.involuntary", Unit::Mean, |row| {
        row.form.switches_per_unit.as_ref()?.involuntary
    }),
    ("Threads", "threads", Unit::Count, |row| row.form.threads.float()),
    ("Peak memory", "peak_rss_bytes", Unit::Bytes, |row| row.form.peak_rss_bytes.float()),
    ("Memory per unit", "bytes_per_unit", Unit::Bytes, |row| row.form.bytes_per_unit),
    ("Start", "start_s", Unit::Seconds, |row| row.form.start_s),
    ("Rounds", "rounds", Unit::Count, |row| row.form.rounds.float()),
    ("Units per round", "units_per_round", Unit::Count, |row| row.form.units_per_round.float()),
];

/// Every row with every number.
pub(super) fn rows(page: &mut Markup, all: &[Series]) {
    page.fixed("<table class=\"rows\"><thead><tr><th scope=\"col\">Form</th>");
    for (name, ..) in COLUMNS {
        page.fixed("<th scope=\"col\">").fixed(name).fixed("</th>");
    }
    page.fixed("<th scope=\"col\">State</th></tr></thead><tbody>");
    for series in all {
        for row in &series.rows {
            page.fixed("<tr><th scope=\"row\">");
            name(page, series, row);
            page.fixed("</th>");
            cells_of_row(page, row);
            page.fixed("</tr>");
        }
    }
    page.fixed("</tbody></table>");
}

/// The numbers of a row and its state; of a row without numbers, its state in their place.
fn cells_of_row(page: &mut Markup, row: &Row) {
    let measures = |column: &&Column| column.2 != Unit::Count && (column.3)(row).is_some();
    let shown = if COLUMNS.iter().any(|column| measures(&column)) { COLUMNS.len() } else { 1 };
    for (_, field, unit, value) in &COLUMNS[..shown] {
        page.fixed("<td>");
        number(page, &row.path(field), value(row), *unit);
        page.fixed("</td>");
    }
    let columns = (COLUMNS.len() + 1 - shown).to_string();
    page.open("td", &[("class", "reason"), ("colspan", &columns)]);
    reason(page, row);
    page.fixed("</td>");
}
