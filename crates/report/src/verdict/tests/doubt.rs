//! What lowers the confidence, and what is said about it.

use super::{says, taken, verdict};
use crate::fixture::{Row, judged, report, row};
use crate::{Confidence, Report, judge};

fn busy(rows: Vec<Row>) -> Report {
    let mut report = report(rows);
    report.machine.effective_cores = Some(1.1);
    judge(&mut report);
    report
}

fn python(form: &str, concurrency: u64, seconds: f64) -> Row {
    row(form, concurrency, seconds).shares(0.98, 0.02, "net", 0.0).cpu(2.0)
}

#[test]
fn a_busy_machine_withholds_a_verdict_on_processor_work() {
    for seconds in [1.3, 1.9] {
        let report = busy(vec![python("plain", 1, 2.0), python("processes", 2, seconds)]);
        assert_eq!(verdict(&report).confidence, Confidence::Withheld);
        assert_eq!(verdict(&report).rule, Some(0));
        says(&verdict(&report).because, &["only 1.10 of 2 processors", "(rule 0)"]);
    }
}

#[test]
fn the_form_that_came_out_best_is_named_all_the_same() {
    let report = busy(vec![python("plain", 1, 2.0), python("processes", 2, 1.3)]);
    assert_eq!(taken(&report), ("processes", 2));
    says(&verdict(&report).because, &["98 % of a unit is Python", "(rule 7)"]);
}

#[test]
fn waiting_is_judged_on_a_busy_machine_as_well() {
    let report = busy(vec![
        row("plain", 1, 2.0).shares(0.01, 0.0, "net", 0.99),
        row("threads", 8, 0.3).shares(0.01, 0.0, "net", 0.99),
    ]);
    assert_eq!(taken(&report), ("threads", 8));
    assert_eq!(verdict(&report).rule, Some(3));
    assert_eq!(verdict(&report).confidence, Confidence::High);
    says(&verdict(&report).limits, &["the machine was busy", "1.10 of 2", "(rule 0)"]);
}

#[test]
fn work_too_small_for_any_number_of_processors_is_judged() {
    let report = busy(vec![python("plain", 1, 2e-4), python("processes", 2, 2e-2)]);
    assert_eq!(taken(&report), ("plain", 1));
    assert_eq!(verdict(&report).rule, Some(1));
}

#[test]
fn a_lone_thread_that_waits_for_a_processor_tells_of_others() {
    let report = judged(vec![
        python("plain", 1, 2.0).shares(0.76, 0.0, "runq", 0.24),
        python("processes", 2, 1.3),
    ]);
    assert_eq!(verdict(&report).confidence, Confidence::Withheld);
    says(&verdict(&report).because, &["a lone thread waited 24 %"]);
}

#[test]
fn many_threads_that_queue_for_processors_tell_nothing_of_others() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.02, 0.98, "net", 0.0).cpu(2.0),
        row("threads", 16, 1.05).shares(0.02, 0.1, "runq", 0.88).cpu(2.0),
    ]);
    assert_eq!(taken(&report), ("threads", 16));
    assert_eq!(verdict(&report).confidence, Confidence::High);
}

#[test]
fn rounds_that_stray_withhold_a_verdict_on_processor_work() {
    let report =
        judged(vec![python("plain", 1, 2.0), python("processes", 2, 1.2).spread(0.8, 1.3)]);
    assert_eq!(verdict(&report).confidence, Confidence::Withheld);
    says(&verdict(&report).because, &["processes at 2 stray by ±25 %"]);
}

#[test]
fn a_tie_over_more_than_a_tenth_is_of_low_confidence() {
    let wide = |form: &str, at, seconds| {
        row(form, at, seconds).shares(0.02, 0.0, "net", 0.98).spread(0.9, 1.12)
    };
    let report = judged(vec![wide("threads", 8, 1.0), wide("coroutines", 8, 1.2)]);
    assert_eq!(taken(&report), ("threads", 8));
    assert_eq!(verdict(&report).tie, ["threads", "coroutines"]);
    assert_eq!(verdict(&report).confidence, Confidence::Low);
}

#[test]
fn an_interrupted_comparison_is_of_medium_confidence_and_says_so() {
    let mut report = report(vec![
        row("plain", 1, 2.0).shares(0.02, 0.0, "net", 0.98),
        row("threads", 8, 0.3).shares(0.02, 0.0, "net", 0.98),
    ]);
    report.work.interrupted = Some(true);
    judge(&mut report);
    assert_eq!(verdict(&report).confidence, Confidence::Medium);
    says(&verdict(&report).limits, &["stopped early"]);
}

#[test]
fn one_round_tells_no_spread() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.02, 0.0, "net", 0.98).with(|row| row.rounds = 1.into()),
        row("threads", 8, 0.3).shares(0.02, 0.0, "net", 0.98),
    ]);
    assert_eq!(verdict(&report).confidence, Confidence::Low);
    says(&verdict(&report).limits, &["1 of the 3 rounds"]);
}

#[test]
fn what_the_kernel_does_not_tell_is_said() {
    let mut report = report(vec![row("plain", 1, 2.0).shares(0.02, 0.0, "net", 0.98)]);
    if let Some(sampler) = &mut report.sampler {
        sampler.unknown = vec!["wait_gil".into()];
        sampler.cost_share = Some(0.08);
    }
    judge(&mut report);
    says(&verdict(&report).limits, &["not known here: wait gil"]);
    says(&verdict(&report).limits, &["the sampler took 8 %"]);
}

#[test]
fn tasks_that_block_their_loop_are_found() {
    let report = judged(vec![
        row("coroutines", 1, 2.0).shares(0.02, 0.0, "sleep", 0.9),
        row("coroutines", 64, 1.0)
            .shares(0.02, 0.0, "sleep", 0.98)
            .with(|form| form.blocking = Some(0.88)),
    ]);
    says(&verdict(&report).limits, &["coroutines at 64 block their loop for 88 %"]);
}

/// Many threads can be given more of a busy machine than one is.
#[test]
fn threads_that_gain_what_the_gil_denies_them_give_no_verdict() {
    let report = busy(vec![
        python("plain", 1, 1.65),
        python("threads", 64, 0.52).also("gil", 0.8),
        python("processes", 2, 0.75),
    ]);
    // The table shows them first, and no verdict may contradict it.
    assert_eq!(taken(&report), ("threads", 64));
    assert_eq!(verdict(&report).confidence, Confidence::Withheld);
    says(
        &verdict(&report).because,
        &["threads at 64 gained 1.44x", "the GIL does not allow", "threads at 64 came out best"],
    );
}

#[test]
fn threads_that_run_native_code_may_win_on_a_busy_machine() {
    let native =
        |form: &str, at, seconds| row(form, at, seconds).shares(0.05, 0.95, "net", 0.0).cpu(2.0);
    let report = busy(vec![native("plain", 1, 1.65), native("threads", 2, 1.0)]);
    assert_eq!(taken(&report), ("threads", 2));
}

#[test]
fn a_tie_with_threads_that_run_python_goes_to_processes_on_a_busy_machine() {
    let report = busy(vec![
        python("plain", 1, 1.65),
        python("threads", 64, 0.76).also("gil", 0.8),
        python("processes", 2, 0.75),
    ]);
    assert_eq!(taken(&report), ("processes", 2));
    says(&verdict(&report).because, &["threads at 64 cannot run Python side by side"]);
}
