//! A comparison as one HTML page: everything is in the file, and nothing is fetched.
//!
//! Verdict, tables and charts are written here, so the page says all without its script; that
//! adds what needs a hand: readings under the pointer, the theme, a copy of the data. Lengths along
//! an axis are in percent, so a chart fits any width while its text keeps its size.

mod bars;
mod charts;
mod head;
mod kinds;
mod markup;
mod number;
mod scale;
mod series;
mod table;
mod verdict;

use markup::{Markup, json_in_script};
use series::Series;

use crate::model::Report;

const SHELL: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const SHAPES: &str = include_str!("page/shapes.svg");

/// The report as a page of its own, with the report's JSON inside.
pub fn html(report: &Report) -> String {
    let all = Series::of(report);
    let body = |write: &dyn Fn(&mut Markup)| {
        let mut part = Markup::default();
        write(&mut part);
        part.into_string()
    };
    fill(SHELL, |name| match name {
        "style" => STYLE.to_owned(),
        "script" => SCRIPT.to_owned(),
        "shapes" => SHAPES.to_owned(),
        "title" => body(&|part| head::title(part, report)),
        "head" => body(&|part| head::head(part, report)),
        "verdict" => body(&|part| verdict::verdict(part, report, &all)),
        "forms" => body(&|part| table::forms(part, report, &all)),
        "time" => body(&|part| bars::bars(part, &all)),
        "charts" => body(&|part| charts::charts(part, &all)),
        "rows" => body(&|part| table::rows(part, &all)),
        "method" => body(&|part| head::method(part, report)),
        // Only a map whose keys are not strings could fail, and there is none.
        "json" => json_in_script(&serde_json::to_string(report).unwrap_or_default()),
        _ => String::new(),
    })
}

/// `template` with what `part` gives in the place of each `{{name}}`. What is filled in is not
/// looked through again.
fn fill(template: &str, part: impl Fn(&str) -> String) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").unwrap_or((after, ""));
        page.push_str(before);
        page.push_str(&part(name));
        rest = behind;
    }
    page.push_str(rest);
    page
}

#[cfg(test)]
mod tests;
