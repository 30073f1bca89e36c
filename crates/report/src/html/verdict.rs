//! The verdict: what to take, the numbers that speak for it, and why.

use super::markup::Markup;
use super::number::{Unit, number};
use super::series::{Row, Series};
use crate::model::{Confidence, Report, Verdict};
use crate::{quantity, rows};

/// The section at the top of the page.
pub(super) fn verdict(page: &mut Markup, report: &Report, all: &[Series]) {
    let Some(verdict) = &report.verdict else {
        page.fixed("<p class=\"eyebrow\">No verdict</p><h1>This report was not judged</h1>");
        return;
    };
    eyebrow(page, verdict);
    answer(page, verdict);
    if let Some(row) = winner(report, all) {
        figures(page, row, all);
    }
    reasons(page, report, verdict, all);
}

/// The row that the verdict names.
fn winner<'s, 'a>(report: &Report, all: &'s [Series<'a>]) -> Option<&'s Row<'a>> {
    all.iter().filter_map(Series::chosen).find(|row| rows::is_winner(report, row.form))
}

fn eyebrow(page: &mut Markup, verdict: &Verdict) {
    page.fixed("<p class=\"eyebrow\">Verdict");
    let confidence = verdict.confidence.as_str();
    page.open("span", &[("class", "confidence"), ("data-confidence", confidence)]);
    page.fixed("<i></i><i></i><i></i>");
    page.fixed(match verdict.confidence {
        Confidence::Withheld => "",
        _ => "confidence ",
    });
    page.element("span", &[("data-path", "verdict.confidence")], confidence);
    page.fixed("</span>");
    if let Some(rule) = verdict.rule {
        page.fixed("<span class=\"rule\">rule ");
        page.element("span", &[("data-path", "verdict.rule")], rule);
        page.fixed("</span>");
    }
    page.fixed("</p>");
}

fn answer(page: &mut Markup, verdict: &Verdict) {
    let Some(form) = &verdict.form else {
        page.fixed("<h1>No form ran to its end</h1>");
        return;
    };
    page.fixed("<h1>");
    page.fixed(match verdict.confidence {
        Confidence::Withheld => "Measured best, not judged: ",
        _ if form == "plain" => "Leave it ",
        _ => "Take ",
    });
    page.element("b", &[("data-path", "verdict.form")], form);
    if verdict.concurrency > 1.into() {
        page.fixed(", ");
        number(page, "verdict.concurrency", verdict.concurrency.float(), Unit::Count);
        page.fixed(" at a time");
    }
    page.fixed("</h1>");
}

/// The few numbers that a reader wants first.
fn figures(page: &mut Markup, row: &Row, all: &[Series]) {
    let form = row.form;
    page.fixed("<dl class=\"figures\">");
    figure(page, "time for all items", |page| {
        let median = form.elapsed_s.as_ref().and_then(|elapsed| elapsed.median);
        number(page, &row.path("elapsed_s.median"), median, Unit::Seconds);
    });
    figure(page, "throughput", |page| {
        number(page, &row.path("throughput_per_s"), form.throughput_per_s, Unit::PerSecond);
    });
    let plain = all.iter().find(|series| series.name == "plain").and_then(Series::chosen);
    if let Some(plain) = plain.filter(|plain| !std::ptr::eq(plain.form, form))
        && let Some((own, base)) = form.throughput_per_s.zip(plain.form.throughput_per_s)
    {
        let paths = [row.path("throughput_per_s"), plain.path("throughput_per_s")].join(" ");
        figure(page, "plain’s throughput", |page| {
            page.element("span", &[("data-ratio", &paths)], quantity::factor(own / base));
        });
    }
    if let Some(latency) = &form.latency_s {
        figure(page, "latency, p50", |page| {
            number(page, &row.path("latency_s.p50"), latency.p50, Unit::Seconds);
        });
        figure(page, "latency, p99", |page| {
            number(page, &row.path("latency_s.p99"), latency.p99, Unit::Seconds);
        });
    }
    figure(page, "memory at the peak", |page| {
        number(page, &row.path("peak_rss_bytes"), form.peak_rss_bytes.float(), Unit::Bytes);
    });
    page.fixed("</dl>");
}

fn figure(page: &mut Markup, name: &'static str, value: impl Fn(&mut Markup)) {
    page.fixed("<div><dt>").fixed(name).fixed("</dt><dd>");
    value(page);
    page.fixed("</dd></div>");
}

fn reasons(page: &mut Markup, report: &Report, verdict: &Verdict, all: &[Series]) {
    page.fixed("<dl class=\"reasons\">");
    reason(page, "Why", &lines("verdict.because", &verdict.because));
    if !verdict.tie.is_empty() {
        reason(page, "Tie", &[("verdict.tie".to_owned(), verdict.tie.join(", "))]);
    }
    if let Some(name) = &verdict.runner_up {
        second(page, name, winner(report, all), all);
    }
    reason(page, "What would change it", &lines("verdict.flips", &verdict.flips));
    reason(
        page,
        "What changes for you",
        &lines("verdict.changes_for_you", &verdict.changes_for_you),
    );
    let mut limits = lines("verdict.limits", &verdict.limits);
    let warnings = lines("work.warnings", &report.work.warnings);
    limits.extend(warnings.into_iter().filter(|(_, line)| !verdict.limits.contains(line)));
    reason(page, "Limits", &limits);
    page.fixed("</dl>");
}

/// The next best form, and how much longer it takes.
fn second(page: &mut Markup, name: &str, winner: Option<&Row>, all: &[Series]) {
    page.fixed("<div><dt>Second</dt><dd>");
    page.element("span", &[("data-path", "verdict.runner_up")], name);
    let row = all.iter().filter_map(Series::chosen).find(|row| row.label() == name);
    if let Some((row, winner)) = row.zip(winner)
        && let Some(((_, own, _), (_, best, _))) = row.form.elapsed().zip(winner.form.elapsed())
    {
        if row.form.concurrency > 1.into() {
            page.fixed(" at ");
            number(page, &row.path("concurrency"), row.form.concurrency.float(), Unit::Count);
        }
        page.fixed(", ");
        let paths = [row.path("elapsed_s.median"), winner.path("elapsed_s.median")].join(" ");
        page.element("span", &[("data-ratio", &paths)], quantity::factor(own / best));
        page.fixed(" the time");
    }
    page.fixed("</dd></div>");
}

/// Each line with its path in the JSON.
fn lines(path: &str, lines: &[String]) -> Vec<(String, String)> {
    let with_path = |(index, line): (usize, &String)| (format!("{path}.{index}"), line.clone());
    lines.iter().enumerate().map(with_path).collect()
}

fn reason(page: &mut Markup, name: &'static str, lines: &[(String, String)]) {
    if lines.is_empty() {
        return;
    }
    page.fixed("<div><dt>").fixed(name).fixed("</dt>");
    for (path, line) in lines {
        page.open("dd", &[("data-path", path)]).prose(line).close("dd");
    }
    page.fixed("</div>");
}
