//! From rows to a verdict. One file for each idea.
//!
//! A form is represented by its best concurrency ([`contender`]). The fastest wins, a tie goes to
//! the simpler form ([`choice`]). What a unit of work does ([`nature`]) explains why ([`rules`]),
//! the machine ([`machine`]) and the intervals say how sure that is ([`confidence`]), and from the
//! measured costs follows what would change it ([`flips`]).

mod case;
mod changes;
mod choice;
mod confidence;
mod contender;
mod cost;
mod flips;
mod limits;
mod machine;
mod nature;
mod prediction;
mod rules;
mod saturation;

#[cfg(test)]
mod tests;

pub(crate) use contender::contenders;
pub(crate) use prediction::is_prediction;

use case::Case;

use crate::model::{Confidence, Report, Verdict};
use crate::{Form, label};

/// Adds the predicted row, if it is due, marks each form's best concurrency, and sets the verdict.
/// What an earlier call has added is replaced.
pub fn judge(report: &mut Report) {
    prediction::replace(&mut report.forms, &report.work);
    let best: Vec<usize> = contenders(&report.forms).iter().map(|one| one.index).collect();
    for (index, row) in report.forms.iter_mut().enumerate() {
        row.best = Some(best.contains(&index) || is_prediction(row));
    }
    report.verdict = Some(verdict(report));
}

fn verdict(report: &Report) -> Verdict {
    let Some(case) = Case::of(report) else { return nobody(report) };
    let finding = rules::finding(&case);
    let withheld = case.machine.withholds(&case);
    let mut because = Vec::new();
    if withheld {
        because.push(case.machine.sentence(&case));
    }
    because.extend(finding.because);
    Verdict {
        form: Some(case.winner.row.form.clone()),
        function: case.winner.row.function.clone(),
        concurrency: case.winner.row.concurrency,
        confidence: if withheld { Confidence::Withheld } else { confidence::of(&case) },
        tie: case.tie().iter().map(|tied| label::name(tied.row, &report.forms)).collect(),
        rule: Some(if withheld { 0 } else { finding.rule }),
        because,
        runner_up: case.runner_up.as_ref().map(|second| label::name(second.row, &report.forms)),
        flips: flips::flips(&case),
        changes_for_you: changes::changes(&case),
        limits: limits::limits(&case),
        more: serde_json::Map::new(),
    }
}

/// The verdict when no form ran to its end.
fn nobody(report: &Report) -> Verdict {
    let tried: Vec<&Form> = report.forms.iter().filter(|row| !is_prediction(row)).collect();
    let mut because = vec![match tried.len() {
        0 => "nothing was measured".to_owned(),
        rows => format!("0 of {rows} measurements gave a time with the right results"),
    }];
    if let Some(row) = tried.first() {
        because.push(format!("{} {}", label::at(row, &report.forms), label::reason(row)));
    }
    Verdict {
        confidence: Confidence::Withheld,
        because,
        limits: limits::of_report(report),
        ..Verdict::default()
    }
}
