//! The verdict and what belongs to it.

use super::style::{Paper, Style};
use crate::quantity::{factor, percent};
use crate::rows::{self, Line};
use crate::{Confidence, Form, Report, Verdict, label};

/// Columns of the labels.
const INDENT: usize = 10;

/// Writes the verdict; nothing if the report has none.
pub(super) fn write(paper: &mut Paper, report: &Report) {
    let Some(verdict) = &report.verdict else { return };
    let style = match verdict.confidence {
        Confidence::High => Style::Winner,
        Confidence::Medium => Style::Strong,
        Confidence::Low | Confidence::Withheld => Style::Doubt,
    };
    paper.labelled(style, "VERDICT", INDENT, &headline(report, verdict));
    several(paper, " why", &verdict.because);
    several(paper, " second", &second(report, verdict).into_iter().collect::<Vec<_>>());
    if !verdict.tie.is_empty() {
        several(paper, " tie", &[verdict.tie.join(", ")]);
    }
    several(paper, " flips", &verdict.flips);
    several(paper, " for you", &verdict.changes_for_you);
    let limits: Vec<String> = verdict.limits.iter().chain(&report.work.warnings).cloned().collect();
    several(paper, " limits", &limits);
    several(paper, " sampler", &sampler(report).into_iter().collect::<Vec<_>>());
}

/// The form to take and how sure that is.
pub(crate) fn headline(report: &Report, verdict: &Verdict) -> String {
    let Some(form) = &verdict.form else {
        return "none: no form ran to its end with the right results".to_owned();
    };
    let row = report.forms.iter().find(|row| rows::is_winner(report, row));
    let winner = row.map_or_else(|| form.clone(), |row| label::at(row, &report.forms));
    let winner = label::printable(&winner);
    let function = verdict.function.as_deref().filter(|name| !winner.contains(*name));
    let function =
        function.map_or_else(String::new, |name| format!(" (`{}`)", label::printable(name)));
    match verdict.confidence {
        Confidence::Withheld => format!("withheld; measured as best: {winner}{function}"),
        sure => format!("{winner}{function}, confidence {} ({})", sure.as_str(), apart(verdict)),
    }
}

/// The next best form, its concurrency and how much longer it takes.
pub(crate) fn second(report: &Report, verdict: &Verdict) -> Option<String> {
    let name = verdict.runner_up.as_deref()?;
    let time = |row: &Form| row.elapsed().map(|(_, median, _)| median);
    let lines = rows::lines(report);
    let measured = || {
        lines.iter().filter_map(|line| match line {
            Line::Measured(row) => Some(*row),
            _ => None,
        })
    };
    let row = measured().find(|row| label::name(row, &report.forms) == name);
    let own = measured().find(|row| rows::is_winner(report, row)).and_then(time);
    Some(match row.zip(own).and_then(|(row, own)| Some((row, time(row)? / own))) {
        Some((row, ratio)) => {
            format!("{}, {} the time", label::at(row, &report.forms), factor(ratio))
        }
        None => label::printable(name),
    })
}

/// How the winner's interval lies to the others.
fn apart(verdict: &Verdict) -> &'static str {
    match (verdict.tie.is_empty(), verdict.runner_up.is_some()) {
        (false, _) => "a tie",
        (true, true) => "apart from the others",
        (true, false) => "the only one",
    }
}

/// A line for each text, the label beside the first.
fn several(paper: &mut Paper, label: &str, texts: &[String]) {
    for (index, text) in texts.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        paper.labelled(Style::Strong, label, INDENT, &label::printable(text));
    }
}

/// What the sampler cost.
pub(crate) fn sampler(report: &Report) -> Option<String> {
    let sampler = report.sampler.as_ref()?;
    let cost = sampler.cost_share?;
    let rate =
        sampler.rate_hz.map_or_else(String::new, |rate| format!(", {rate:.0} looks per second"));
    Some(format!("cost {} of the work's time{rate}", percent(cost)))
}
