//! The report as Markdown, for an issue or a pull request.

use crate::cells::{self, Column};
use crate::rows::{self, Line};
use crate::text::{headline, parts, sampler, second};
use crate::{Form, Report, Verdict, label};

/// The report as Markdown: heading, table, verdict.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("### `{}`\n\n", label::printable(&report.work.target).replace('`', "'"));
    let facts: Vec<String> = parts(report).iter().skip(1).map(|part| plain(part)).collect();
    text.push_str(&format!("{}\n\n", facts.join(" · ")));
    table(&mut text, report);
    if let Some(verdict) = &report.verdict {
        judgement(&mut text, report, verdict);
    }
    text
}

fn table(text: &mut String, report: &Report) {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let headings: Vec<String> = Column::ALL.iter().map(|one| one.heading().to_owned()).collect();
    text.push_str(&line(&headings));
    let rules: Vec<String> = Column::ALL
        .iter()
        .map(|one| if one.is_text() { "---" } else { "---:" }.to_owned())
        .collect();
    text.push_str(&line(&rules));
    let lines = rows::lines(report);
    let shortest = rows::shortest(&lines);
    for one in &lines {
        text.push_str(&line(&match one {
            Line::Measured(row) => measured(report, row, shortest),
            Line::Predicted(row) => aside(report, row, "~ ", &cells::prediction(row)),
            Line::Without(row) => aside(report, row, "", &label::reason(row)),
        }));
    }
    text.push('\n');
}

fn measured(report: &Report, row: &Form, shortest: Option<f64>) -> Vec<String> {
    let winner = rows::is_winner(report, row);
    let name = label::in_table(row, &report.forms);
    let cell = |column: &Column| plain(&cells::cell(row, *column, &name, shortest, 7));
    let strong = |cell: String| if winner { format!("**{cell}**") } else { cell };
    Column::ALL.iter().map(cell).map(strong).collect()
}

/// A row without numbers: its name, and the text in the second column.
fn aside(report: &Report, row: &Form, mark: &str, words: &str) -> Vec<String> {
    let name = format!("{mark}{}", plain(&label::in_table(row, &report.forms)));
    let rest = std::iter::repeat_n(String::new(), Column::ALL.len() - 2);
    [name, plain(words)].into_iter().chain(rest).collect()
}

fn judgement(text: &mut String, report: &Report, verdict: &Verdict) {
    text.push_str(&format!("**Verdict: {}**\n\n", plain(&headline(report, verdict))));
    let mut list = |name: &str, sentences: &[String]| {
        for sentence in sentences {
            text.push_str(&format!("- {name}: {}\n", plain(sentence)));
        }
    };
    list("why", &verdict.because);
    list("second", second(report, verdict).as_slice());
    if !verdict.tie.is_empty() {
        list("tie", &[verdict.tie.join(", ")]);
    }
    list("flips", &verdict.flips);
    list("for you", &verdict.changes_for_you);
    list("limits", &verdict.limits);
    list("limits", &report.work.warnings);
    list("sampler", sampler(report).as_slice());
}

/// Text that Markdown takes as text: words of others must not end a cell or begin a tag.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in label::printable(text).chars() {
        if matches!(letter, '|' | '<' | '>' | '*' | '_' | '[' | ']' | '\\') {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}

#[cfg(test)]
mod tests;
