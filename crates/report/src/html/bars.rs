//! Where a unit's time goes: one bar for each form, in nine kinds of time.

use super::kinds::{GROUPS, Kind, kinds};
use super::markup::Markup;
use super::number::{Unit, number};
use super::series::{Row, Series};
use super::table::name;
use crate::label;
use crate::model::Shares;

/// From this share on, a part of a bar has room for its number.
const ROOM_FOR_TEXT: f64 = 0.1;

/// The legend, the bars, and the numbers behind them.
pub(super) fn bars(page: &mut Markup, all: &[Series]) {
    legend(page);
    page.fixed("<ul class=\"bars\">");
    for (series, row) in all.iter().filter_map(|series| Some((series, series.chosen()?))) {
        page.fixed("<li>");
        name(page, series, row);
        match &row.form.shares {
            Some(shares) => bar(page, row, shares),
            None => missing(page, row),
        }
        page.fixed("</li>");
    }
    page.fixed("</ul>");
    numbers(page, all);
}

fn legend(page: &mut Markup) {
    page.fixed("<dl class=\"legend kinds\">");
    for (group, kinds) in &GROUPS {
        page.fixed("<div><dt>").fixed(group).fixed("</dt>");
        for kind in *kinds {
            page.fixed("<dd><svg width=\"14\" height=\"14\" aria-hidden=\"true\">");
            page.open(
                "rect",
                &[("width", "14"), ("height", "14"), ("rx", "2"), ("fill", kind.fill)],
            );
            page.fixed("</rect></svg>").fixed(kind.short).fixed("</dd>");
        }
        page.fixed("</div>");
    }
    page.fixed("</dl>");
}

fn bar(page: &mut Markup, row: &Row, shares: &Shares) {
    let known: f64 =
        kinds().filter_map(|kind| (kind.share)(shares)).map(|share| share.max(0.0)).sum();
    let whole = known.max(1.0);
    page.fixed("<svg class=\"bar\" width=\"100%\" height=\"28\" role=\"group\" tabindex=\"0\"");
    page.fixed(" aria-label=\"").text(summary(row, shares)).fixed("\">");
    let mut start = 0.0;
    for kind in kinds() {
        let share = (kind.share)(shares).unwrap_or(0.0).max(0.0);
        if share > 0.0 {
            part(page, row, kind, share, start / whole, share / whole);
            start += share;
        }
    }
    if known < 0.995 {
        let attributes = [
            ("class", "part"),
            ("x", &*percent(known)),
            ("width", &*percent(1.0 - known)),
            ("height", "28"),
            ("fill", "url(#fill-unknown)"),
        ];
        page.open("rect", &attributes);
        page.fixed("<title>not told by this system: ");
        page.text(Unit::Share.show(1.0 - known)).fixed("</title></rect>");
    }
    page.fixed("</svg>");
}

fn part(page: &mut Markup, row: &Row, kind: &Kind, share: f64, start: f64, width: f64) {
    let path = row.path(&format!("shares.{}", kind.key));
    let attributes = [
        ("class", "part"),
        ("data-mark", &*path),
        ("data-value", &*share.to_string()),
        ("x", &*percent(start)),
        ("width", &*percent(width)),
        ("height", "28"),
        ("fill", kind.fill),
    ];
    page.open("rect", &attributes).fixed("<title>");
    page.text(row.name()).fixed(": ").fixed(kind.long).fixed(", ");
    page.text(Unit::Share.show(share)).fixed("</title></rect>");
    if width >= ROOM_FOR_TEXT {
        let middle = percent(start + width / 2.0);
        let attributes =
            [("x", &*middle), ("y", "18"), ("class", kind.key), ("aria-hidden", "true")];
        page.element("text", &attributes, Unit::Share.show(share));
    }
}

fn percent(share: f64) -> String {
    format!("{:.3}%", share * 100.0)
}

/// The bar in words, the largest part first.
fn summary(row: &Row, shares: &Shares) -> String {
    let mut parts: Vec<(f64, &str)> = kinds()
        .filter_map(|kind| Some(((kind.share)(shares)?, kind.long)))
        .filter(|(share, _)| *share >= 0.005)
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let words: Vec<String> =
        parts.iter().map(|(share, name)| format!("{name} {}", Unit::Share.show(*share))).collect();
    format!("{}: {}", row.name(), words.join(", "))
}

fn missing(page: &mut Markup, row: &Row) {
    let word = if row.is_predicted() { "predicted: not measured" } else { "not known" };
    let why = row.form.note.as_deref().filter(|_| !row.is_predicted()).unwrap_or(word);
    page.element("p", &[("class", "missing")], why);
}

/// The shares of every row as a table.
fn numbers(page: &mut Markup, all: &[Series]) {
    page.fixed(
        "<details><summary>These shares in numbers, for every row</summary>\
         <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Shares of time\">\
         <table class=\"rows\"><thead><tr><th scope=\"col\">Form</th>\
         <th scope=\"col\">In flight</th><th scope=\"col\">Share of</th>",
    );
    for kind in kinds() {
        page.element("th", &[("scope", "col")], kind.long);
    }
    page.fixed("</tr></thead><tbody>");
    for series in all {
        for row in series.rows.iter().filter(|row| row.form.shares.is_some()) {
            shares_row(page, series, row);
        }
    }
    page.fixed("</tbody></table></div></details>");
}

fn shares_row(page: &mut Markup, series: &Series, row: &Row) {
    let shares = row.form.shares.unwrap_or_default();
    page.fixed("<tr><th scope=\"row\">");
    name(page, series, row);
    page.fixed("</th><td>");
    number(page, &row.path("concurrency"), row.form.concurrency.float(), Unit::Count);
    page.fixed("</td><td class=\"word\">");
    let on_a_loop = label::Kind::of(series.name).is_loop();
    page.fixed(if on_a_loop { "the loop’s thread" } else { "a unit" }).fixed("</td>");
    for kind in kinds() {
        page.fixed("<td>");
        let path = row.path(&format!("shares.{}", kind.key));
        number(page, &path, (kind.share)(&shares), Unit::Share);
        page.fixed("</td>");
    }
    page.fixed("</tr>");
}
