use super::{says, taken, verdict};
use crate::fixture::{Row, failed, judged, row};
use crate::{Confidence, Count, Status};

fn waiting(form: &str, concurrency: u64, seconds: f64) -> Row {
    row(form, concurrency, seconds).shares(0.02, 0.0, "net", 0.98)
}

#[test]
fn the_fastest_that_stands_apart_is_taken() {
    let report = judged(vec![
        waiting("plain", 1, 2.0),
        waiting("threads", 64, 0.042),
        waiting("coroutines", 64, 0.012),
    ]);
    assert_eq!(taken(&report), ("coroutines", 64));
    assert_eq!(verdict(&report).function.as_deref(), Some("afetch"));
    assert_eq!(verdict(&report).confidence, Confidence::High);
    assert_eq!(verdict(&report).runner_up.as_deref(), Some("threads"));
    assert!(verdict(&report).tie.is_empty());
}

#[test]
fn the_smallest_concurrency_within_five_percent_speaks_for_its_form() {
    let report = judged(vec![
        waiting("plain", 1, 2.0),
        waiting("threads", 8, 0.30),
        waiting("threads", 32, 0.106),
        waiting("threads", 64, 0.100),
        waiting("threads", 256, 0.099),
    ]);
    assert_eq!(taken(&report), ("threads", 64));
    let best: Vec<_> = report
        .forms
        .iter()
        .filter(|row| row.best == Some(true) && row.measured)
        .map(|row| row.concurrency)
        .collect();
    assert_eq!(best, [Count::from(1), Count::from(64)]);
}

#[test]
fn five_percent_do_not_cost_a_form_its_first_place() {
    let report = judged(vec![
        waiting("threads", 8, 0.104).spread(0.999, 1.001),
        waiting("threads", 64, 0.100).spread(0.999, 1.001),
        waiting("coroutines", 64, 0.102).spread(0.999, 1.001),
    ]);
    assert_eq!(taken(&report), ("threads", 64));
}

#[test]
fn a_tie_goes_to_the_simpler_form() {
    let report = judged(vec![
        row("threads", 2, 1.03).shares(0.02, 0.98, "net", 0.0).spread(0.95, 1.05),
        row("processes", 2, 1.0).shares(0.02, 0.98, "net", 0.0).spread(0.95, 1.05),
    ]);
    assert_eq!(taken(&report), ("threads", 2));
    assert_eq!(verdict(&report).tie, ["processes", "threads"]);
    assert_eq!(verdict(&report).confidence, Confidence::Medium);
    says(&verdict(&report).because, &["a tie", "the simplest of them: threads at 2"]);
}

#[test]
fn between_threads_and_coroutines_the_processor_time_decides_then_the_memory() {
    let tie = |cpu: f64| {
        judged(vec![
            waiting("threads", 64, 0.100).cpu(0.05).memory(19e3),
            waiting("coroutines", 64, 0.101).cpu(cpu).memory(1e3),
        ])
    };
    assert_eq!(taken(&tie(0.08)), ("threads", 64));
    says(&verdict(&tie(0.08)).because, &["less processor time", "50.0 ms against 80.0 ms"]);
    assert_eq!(taken(&tie(0.03)), ("coroutines", 64));
    assert_eq!(taken(&tie(0.051)), ("coroutines", 64));
    says(&verdict(&tie(0.051)).because, &["less memory", "62.5 KiB against 1.16 MiB"]);
}

#[test]
fn where_no_cost_decides_the_shorter_median_does() {
    let report = judged(vec![waiting("threads", 8, 0.101), waiting("coroutines", 8, 0.100)]);
    assert_eq!(taken(&report), ("coroutines", 8));
}

#[test]
fn one_stray_round_of_the_fastest_does_not_make_plain_code_its_equal() {
    let report =
        judged(vec![waiting("plain", 1, 2.0), waiting("threads", 8, 0.5).spread(0.98, 5.0)]);
    assert_eq!(taken(&report), ("threads", 8));
    assert_eq!(verdict(&report).confidence, Confidence::Low);
    says(&verdict(&report).because, &["though simpler, plain took 4.00x"]);
}

#[test]
fn the_stock_never_wins_a_tie() {
    let tied = judged(vec![waiting("asyncio", 64, 0.100), waiting("coroutines", 64, 0.102)]);
    assert_eq!(taken(&tied), ("coroutines", 64));
    let apart = judged(vec![waiting("asyncio", 64, 0.050), waiting("coroutines", 64, 0.102)]);
    assert_eq!(taken(&apart), ("asyncio", 64));
}

#[test]
fn what_failed_or_differs_cannot_win() {
    let report = judged(vec![
        waiting("plain", 1, 2.0),
        waiting("threads", 8, 0.25),
        waiting("threads", 64, 0.05).with(|row| row.status = Some(Status::Differs)),
        failed("coroutines", 64, Status::TimedOut, "TimeoutError"),
        waiting("processes", 2, 1.0).with(|row| row.errors.push(crate::Fault::default())),
    ]);
    assert_eq!(taken(&report), ("plain", 1));
    let limits = &verdict(&report).limits;
    says(limits, &["threads at 8 cannot win", "other results"]);
    says(limits, &["coroutines at 64 cannot win", "timed out", "TimeoutError", "work.py:12"]);
}

#[test]
fn an_error_at_one_concurrency_leaves_the_others() {
    let report = judged(vec![
        waiting("plain", 1, 2.0),
        waiting("threads", 8, 0.25),
        failed("threads", 64, Status::Failed, "OSError"),
    ]);
    assert_eq!(taken(&report), ("threads", 8));
    says(&verdict(&report).limits, &["threads at 64 cannot win: failed: OSError"]);
}

#[test]
fn where_all_failed_there_is_no_verdict() {
    let report = judged(vec![
        failed("plain", 1, Status::Failed, "ValueError"),
        failed("threads", 8, Status::Failed, "ValueError"),
    ]);
    let verdict = verdict(&report);
    assert_eq!((&verdict.form, verdict.rule), (&None, None));
    assert_eq!(verdict.confidence, Confidence::Withheld);
    says(&verdict.because, &["0 of 2 measurements"]);
    says(&verdict.because, &["ValueError: it broke (work.py:12)"]);
}

#[test]
fn a_report_without_rows_has_no_verdict() {
    let report = judged(Vec::new());
    assert_eq!(verdict(&report).form, None);
    says(&verdict(&report).because, &["nothing was measured"]);
}

#[test]
fn of_two_blocking_functions_the_names_tell_which() {
    let report = judged(vec![
        waiting("threads", 8, 0.25).with(|row| row.function = Some("slow".into())),
        waiting("threads", 8, 0.10).with(|row| row.function = Some("fast".into())),
    ]);
    assert_eq!(verdict(&report).function.as_deref(), Some("fast"));
    assert_eq!(verdict(&report).runner_up.as_deref(), Some("threads of slow"));
}

#[test]
fn one_at_a_time_in_another_form_is_no_gain() {
    let report = judged(vec![
        waiting("plain", 1, 1.18).spread(0.85, 1.2),
        waiting("threads", 1, 1.0).spread(0.99, 1.01),
    ]);
    assert_eq!(taken(&report), ("plain", 1));
    says(
        &verdict(&report).because,
        &["1.00 s against 1.18 s", "one at a time as well", "(rule 1)"],
    );
}
