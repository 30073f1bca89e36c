//! What holds for every verdict, whatever was measured.

use proptest::prelude::*;

use crate::arbitrary::any_report;
use crate::label::{self, Kind};
use crate::verdict::contender::{Contender, eligible};
use crate::verdict::contenders;
use crate::{Confidence, Report, Status, judge, parse, to_json};

fn judged(mut report: Report) -> Report {
    judge(&mut report);
    report
}

/// The row that the verdict takes.
fn winner(report: &Report) -> Option<Contender<'_>> {
    let verdict = report.verdict.as_ref()?;
    contenders(&report.forms).into_iter().find(|one| {
        Some(&one.row.form) == verdict.form.as_ref()
            && one.row.function == verdict.function
            && one.row.concurrency == verdict.concurrency
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn judging_twice_is_judging_once(report in any_report()) {
        let once = judged(report);
        prop_assert_eq!(&judged(once.clone()), &once);
    }

    #[test]
    fn a_judged_report_is_written_and_read_again(report in any_report()) {
        let report = judged(report);
        prop_assert_eq!(parse(&to_json(&report)).unwrap(), report);
    }

    #[test]
    fn the_winner_is_a_row_that_was_measured_to_its_end(report in any_report()) {
        let report = judged(report);
        let verdict = report.verdict.as_ref().unwrap();
        match winner(&report) {
            None => {
                prop_assert_eq!(&verdict.form, &None);
                prop_assert!(eligible(&report.forms).is_empty());
                prop_assert_eq!(verdict.confidence, Confidence::Withheld);
            }
            Some(winner) => {
                prop_assert!(winner.row.measured && winner.row.errors.is_empty());
                prop_assert_eq!(winner.row.best, Some(true));
                prop_assert!(!verdict.because.is_empty());
                prop_assert!(verdict.rule.is_some());
                let of_winner = |row: &&crate::Form| winner.is_of(row);
                let differs = |row: &crate::Form| row.state() == Status::Differs;
                prop_assert!(!report.forms.iter().filter(of_winner).any(differs));
            }
        }
    }

    /// A verdict that is not withheld takes the fastest row, one that overlaps it, one within 5 % of
    /// it of the same form, or plain code that is within a tenth of it.
    #[test]
    fn the_winner_does_not_contradict_the_table(report in any_report()) {
        let report = judged(report);
        let Some(winner) = winner(&report) else { return Ok(()) };
        if report.verdict.as_ref().unwrap().rule == Some(0) {
            return Ok(());
        }
        let all = eligible(&report.forms);
        let shortest = all.iter().min_by(|a, b| a.median.total_cmp(&b.median)).unwrap();
        let ratio = winner.median / shortest.median;
        let overlaps = winner.low <= shortest.high;
        let one_at_a_time = shortest.row.concurrency.0 == Some(1) && overlaps;
        prop_assert!(ratio <= 1.1 + 1e-9 || one_at_a_time);
        let same_form = winner.is_of(shortest.row) && ratio <= 1.0 / 0.95 + 1e-9;
        let plain = Kind::of(&winner.row.form) == Kind::Plain;
        prop_assert!(same_form || plain || overlaps, "{}", ratio);
    }

    /// No form that is simpler and as fast is passed over.
    #[test]
    fn a_simpler_form_that_is_as_fast_wins(report in any_report()) {
        let report = judged(report);
        let Some(winner) = winner(&report) else { return Ok(()) };
        let simplicity = |one: &Contender<'_>| Kind::of(&one.row.form).simplicity();
        if report.verdict.as_ref().unwrap().rule == Some(0) {
            return Ok(());
        }
        let medians = eligible(&report.forms).into_iter().map(|one| one.median);
        let shortest = medians.fold(f64::INFINITY, f64::min);
        for other in contenders(&report.forms) {
            let simpler = simplicity(&other) < simplicity(&winner);
            prop_assert!(!simpler || other.median > winner.median, "{:?}", other.row.form);
            if Kind::of(&other.row.form) == Kind::Plain && simpler {
                prop_assert!(other.median >= 1.1 * shortest);
            }
        }
    }

    #[test]
    fn the_tie_is_all_that_overlaps_the_winner(report in any_report()) {
        let report = judged(report);
        let Some(winner) = winner(&report) else { return Ok(()) };
        let verdict = report.verdict.as_ref().unwrap();
        let overlapping: Vec<_> =
            contenders(&report.forms).into_iter().filter(|one| one.overlaps(&winner)).collect();
        if overlapping.len() == 1 {
            prop_assert!(verdict.tie.is_empty());
        } else {
            prop_assert_eq!(verdict.tie.len(), overlapping.len());
            for one in overlapping {
                prop_assert!(verdict.tie.contains(&label::name(one.row, &report.forms)));
            }
            prop_assert_ne!(verdict.confidence, Confidence::High);
        }
    }

    #[test]
    fn every_sentence_is_one_line_of_plain_text(report in any_report()) {
        let report = judged(report);
        let verdict = report.verdict.as_ref().unwrap();
        let own = [&verdict.flips, &verdict.changes_for_you, &verdict.tie];
        let with_words_of_others = [&verdict.because, &verdict.limits];
        for sentence in own.into_iter().chain(with_words_of_others).flatten() {
            prop_assert!(!sentence.is_empty());
            prop_assert!(!sentence.chars().any(char::is_control), "{:?}", sentence);
        }
        for sentence in own.into_iter().flatten() {
            prop_assert!(!sentence.contains("NaN") && !sentence.contains("inf"), "{:?}", sentence);
        }
    }
}
