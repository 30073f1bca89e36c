//! Verdicts of reports that are built row by row.

mod choice;
mod doubt;
mod flips;
mod prediction;
mod property;
mod rules;

use crate::{Report, Verdict};

fn verdict(report: &Report) -> &Verdict {
    report.verdict.as_ref().expect("judged")
}

/// The form and the concurrency that the verdict takes.
fn taken(report: &Report) -> (&str, u64) {
    let verdict = verdict(report);
    (verdict.form.as_deref().unwrap_or("none"), verdict.concurrency.unwrap_or(0))
}

/// Whether one of the sentences has all of the words.
#[track_caller]
fn says(sentences: &[String], words: &[&str]) {
    let found = sentences.iter().any(|one| words.iter().all(|word| one.contains(word)));
    assert!(found, "{words:?} not in {sentences:#?}");
}
