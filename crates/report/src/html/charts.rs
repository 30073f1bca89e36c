//! Throughput, latency and memory against the units in flight: one line for each form.

use super::markup::Markup;
use super::number::Unit;
use super::scale::Scale;
use super::series::{Row, Series};
use crate::model::Form;

/// Height of a plot in pixels; its width is that of the page.
const HEIGHT: f64 = 200.0;

/// Part of the width that stays free at both ends, so that points are not cut.
const MARGIN: f64 = 0.03;

struct Chart {
    title: &'static str,
    caption: &'static str,
    field: &'static str,
    unit: Unit,
    value: fn(&Form) -> Option<f64>,
}

const THROUGHPUT: Chart = Chart {
    title: "Throughput",
    caption: "units per second",
    field: "throughput_per_s",
    unit: Unit::PerSecond,
    value: |form| form.throughput_per_s,
};

const MEDIAN: Chart = Chart {
    title: "Latency, p50",
    caption: "half of the units take less",
    field: "latency_s.p50",
    unit: Unit::Seconds,
    value: |form| form.latency_s.as_ref()?.p50,
};

const TAIL: Chart = Chart {
    title: "Latency, p99",
    caption: "one unit in a hundred takes more",
    field: "latency_s.p99",
    unit: Unit::Seconds,
    value: |form| form.latency_s.as_ref()?.p99,
};

const MEMORY: Chart = Chart {
    title: "Memory",
    caption: "at the peak",
    field: "peak_rss_bytes",
    unit: Unit::Bytes,
    value: |form| form.peak_rss_bytes.float(),
};

/// The legend, which is the switch of the lines, and the four charts.
pub(super) fn charts(page: &mut Markup, all: &[Series]) {
    let every = all.iter().flat_map(|series| &series.rows);
    let x = Scale::doubling(every.filter_map(|row| row.form.concurrency.float()));
    let values = |chart: &Chart| {
        let value = chart.value;
        let counting = all.iter().flat_map(Series::counting);
        counting.filter_map(move |row| value(row.form)).collect::<Vec<_>>()
    };
    // The two latencies share a scale: how far the tail is from the middle can be seen.
    let latencies = [values(&MEDIAN), values(&TAIL)].concat();
    legend(page, all);
    page.fixed("<div class=\"plots\">");
    for (chart, values, base) in [
        (&THROUGHPUT, values(&THROUGHPUT), 10.0),
        (&MEMORY, values(&MEMORY), 2.0),
        (&MEDIAN, latencies.clone(), 10.0),
        (&TAIL, latencies, 10.0),
    ] {
        plot(page, chart, all, &x, &Scale::fitting(values.into_iter(), base));
    }
    page.fixed("</div>");
}

fn legend(page: &mut Markup, all: &[Series]) {
    page.fixed("<ul class=\"legend lines\" aria-label=\"Lines shown\">");
    for series in all.iter().filter(|series| series.chosen().is_some()) {
        page.fixed("<li>").open("label", &[("class", series.look())]);
        page.open("input", &[("type", "checkbox"), ("checked", ""), ("class", series.look())]);
        page.fixed("<svg width=\"26\" height=\"14\" aria-hidden=\"true\">");
        page.fixed("<line x1=\"0\" x2=\"26\" y1=\"7\" y2=\"7\"></line>");
        page.open("use", &[("href", series.point()), ("x", "13"), ("y", "7"), ("class", "point")]);
        page.fixed("</use></svg>").text(series.name).fixed("</label></li>");
    }
    page.fixed("</ul>");
}

fn plot(page: &mut Markup, chart: &Chart, all: &[Series], x: &Scale, y: &Scale) {
    page.fixed("<figure><figcaption><b>").fixed(chart.title).fixed("</b> ").fixed(chart.caption);
    if y.is_logarithmic() {
        page.fixed(", logarithmic");
    }
    page.fixed("</figcaption><div class=\"plot\">");
    let height = HEIGHT.to_string();
    let label =
        format!("{} against units in flight; arrow keys go from point to point", chart.title);
    let attributes = [
        ("width", "100%"),
        ("height", height.as_str()),
        ("role", "group"),
        ("tabindex", "0"),
        ("aria-label", &label),
    ];
    page.open("svg", &attributes);
    axes(page, chart, x, y);
    for series in all {
        line(page, chart, series, x, y);
    }
    page.fixed("</svg></div></figure>");
}

fn axes(page: &mut Markup, chart: &Chart, x: &Scale, y: &Scale) {
    for tick in y.ticks() {
        let at = down(y, *tick);
        let ends = [("x1", "0"), ("x2", "100%"), ("y1", &*at), ("y2", &*at), ("class", "grid")];
        page.open("line", &ends).fixed("</line>");
        let place = [("x", "0"), ("dx", "-8"), ("y", &*at), ("dy", "4"), ("class", "tick y")];
        page.element("text", &place, chart.unit.tick(*tick));
    }
    let below = (HEIGHT + 18.0).to_string();
    for tick in x.ticks() {
        let place = [("x", &*across(x, *tick)), ("y", &*below), ("class", "tick x")];
        page.element("text", &place, Unit::Count.show(*tick));
    }
    let below = (HEIGHT + 34.0).to_string();
    page.element("text", &[("x", "50%"), ("y", &below), ("class", "tick x")], "units in flight");
}

fn line(page: &mut Markup, chart: &Chart, series: &Series, x: &Scale, y: &Scale) {
    let class = if series.is_taken() { "series taken" } else { "series" };
    page.open("g", &[("class", class)]).open("g", &[("class", series.look())]);
    let points: Vec<Point> =
        series.counting().filter_map(|row| Point::of(row, chart, x, y)).collect();
    for pair in points.windows(2) {
        let class =
            if pair.iter().any(|point| point.row.is_predicted()) { "predicted" } else { "" };
        let ends =
            [("x1", &*pair[0].x), ("y1", &*pair[0].y), ("x2", &*pair[1].x), ("y2", &*pair[1].y)];
        page.open("line", &[&ends[..], &[("class", class)]].concat()).fixed("</line>");
    }
    for point in &points {
        point.draw(page, chart, series);
    }
    if chart.field == THROUGHPUT.field {
        for row in series.failed() {
            failed(page, row, x);
        }
    }
    page.fixed("</g></g>");
}

/// A value of a row and its place in the plot.
struct Point<'s, 'a> {
    row: &'s Row<'a>,
    value: f64,
    x: String,
    y: String,
}

impl<'s, 'a> Point<'s, 'a> {
    fn of(row: &'s Row<'a>, chart: &Chart, x: &Scale, y: &Scale) -> Option<Self> {
        let concurrency = row.form.concurrency.float().filter(|at| *at > 0.0)?;
        let value = (chart.value)(row.form).filter(|value| *value > 0.0)?;
        Some(Self { row, value, x: across(x, concurrency), y: down(y, value) })
    }

    fn draw(&self, page: &mut Markup, chart: &Chart, series: &Series) {
        let class = if self.row.is_predicted() { "point predicted" } else { "point" };
        let attributes = [
            ("href", series.point()),
            ("x", &*self.x),
            ("y", &*self.y),
            ("class", class),
            ("data-mark", &*self.row.path(chart.field)),
            ("data-value", &*self.value.to_string()),
        ];
        page.open("use", &attributes).fixed("<title>");
        page.text(self.row.name()).fixed(": ").text(chart.unit.show(self.value));
        page.fixed("</title></use>");
    }
}

/// A cross on the axis where a row gave no numbers.
fn failed(page: &mut Markup, row: &Row, x: &Scale) {
    let Some(concurrency) = row.form.concurrency.float().filter(|at| *at > 0.0) else { return };
    let height = HEIGHT.to_string();
    let attributes = [
        ("href", "#point-failed"),
        ("x", &*across(x, concurrency)),
        ("y", &*height),
        ("class", "failed"),
        ("data-mark", &*row.path("status")),
    ];
    page.open("use", &attributes).fixed("<title>");
    page.text(row.name()).fixed(": ").text(row.form.state().as_str()).fixed("</title></use>");
}

/// A place along the axis of concurrency.
fn across(x: &Scale, value: f64) -> String {
    format!("{:.3}%", (MARGIN + x.place(value) * (1.0 - 2.0 * MARGIN)) * 100.0)
}

/// A place along the vertical axis, in pixels from the top.
fn down(y: &Scale, value: f64) -> String {
    format!("{:.2}", HEIGHT * (1.0 - y.place(value)))
}
