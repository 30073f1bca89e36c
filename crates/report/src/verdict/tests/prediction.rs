use super::{says, taken, verdict};
use crate::fixture::{Row, judged, row};
use crate::verdict::is_prediction;
use crate::{Form, Report, Status};

fn waiting(form: &str, concurrency: u64, seconds: f64) -> Row {
    row(form, concurrency, seconds).shares(0.02, 0.0, "net", 0.98)
}

fn predicted(report: &Report) -> Option<&Form> {
    let mut found = report.forms.iter().filter(|row| is_prediction(row));
    let first = found.next();
    assert_eq!(found.next(), None);
    first
}

#[track_caller]
fn refused(report: &Report, why: &str) {
    let row = predicted(report).expect("a row that says why");
    assert_eq!((row.elapsed(), &row.band), (None, &None));
    let note = row.note.as_deref().unwrap_or_default();
    assert!(note.starts_with("not predicted: ") && note.contains(why), "{note}");
}

#[test]
fn threads_at_the_same_concurrency_predict_coroutines() {
    let report = judged(vec![
        waiting("plain", 1, 2.0),
        waiting("threads", 8, 0.3).spread(0.9, 1.2).cpu(0.06),
    ]);
    let row = predicted(&report).expect("predicted");
    assert_eq!(
        (row.form.as_str(), row.concurrency.0, row.measured),
        ("coroutines", Some(8), false)
    );
    assert_eq!(row.status, Some(Status::Predicted));
    let (low, median, high) = row.elapsed().expect("a time");
    assert_eq!(median, 0.3);
    let band = row.band.clone().expect("a band");
    assert_eq!((band.low, band.high), (Some(low), Some(high)));
    assert!(low < 0.27 && high > 0.36 * 1.4, "{low} {high}");
    assert_eq!(taken(&report), ("threads", 8));
    says(&verdict(&report).flips, &["to coroutines at 8", "predicted", "async client"]);
}

#[test]
fn a_busy_loop_is_predicted_only_at_a_smaller_concurrency() {
    let report = judged(vec![
        waiting("plain", 1, 2.0),
        waiting("threads", 8, 0.3).cpu(0.06),
        waiting("threads", 64, 0.08).cpu(0.06),
    ]);
    let row = predicted(&report).expect("predicted");
    assert_eq!(row.concurrency.0, Some(8));
    assert!(
        row.note.as_deref().is_some_and(|note| note.contains("at 64 one loop would be about 75 %"))
    );
    says(&verdict(&report).flips, &["coroutines at 8", "with 64 in flight", "compare again"]);
}

#[test]
fn a_loop_that_is_busy_everywhere_is_refused() {
    let report = judged(vec![waiting("plain", 1, 2.0), waiting("threads", 8, 0.3).cpu(0.2)]);
    refused(&report, "about 67 % busy");
}

#[test]
fn what_a_loop_cannot_wait_for_is_refused() {
    let seen = |python, native, wait: &str, share| {
        judged(vec![
            row("plain", 1, 2.0).shares(python, native, wait, share),
            row("threads", 8, 0.5).shares(python, native, wait, share),
        ])
    };
    refused(&seen(0.02, 0.0, "disk", 0.98), "98 % of a unit waits for the disk");
    refused(&seen(0.6, 0.3, "net", 0.1), "90 % of a unit computes");
    refused(&seen(0.02, 0.0, "lock", 0.98), "98 % of a unit waits for locks");
    refused(&seen(0.02, 0.0, "child", 0.98), "98 % of a unit waits for child processes");
    refused(&judged(vec![row("threads", 8, 0.3)]), "not known here");
    refused(&judged(vec![waiting("threads", 1, 0.3)]), "gain nothing from more in flight");
}

#[test]
fn where_coroutines_were_measured_or_failed_nothing_is_predicted() {
    let measured = judged(vec![waiting("threads", 8, 0.3), waiting("coroutines", 8, 0.3)]);
    assert_eq!(predicted(&measured), None);
    let without_threads = judged(vec![waiting("plain", 1, 2.0)]);
    assert_eq!(predicted(&without_threads), None);
}

#[test]
fn a_prediction_is_replaced_not_repeated() {
    let mut report = judged(vec![waiting("plain", 1, 2.0), waiting("threads", 8, 0.3)]);
    let once = report.clone();
    crate::judge(&mut report);
    assert_eq!(report, once);
}

#[test]
fn the_band_reaches_down_by_what_threads_queue() {
    let threads = |gil: f64| {
        let report = judged(vec![
            waiting("plain", 1, 2.0),
            row("threads", 8, 0.3).shares(0.02, 0.0, "net", 0.98 - gil).also("gil", gil),
        ]);
        predicted(&report).and_then(|row| row.band.clone()?.low).expect("a band")
    };
    assert!((threads(0.2) / threads(0.0) - 0.8).abs() < 1e-9);
}
