use super::{says, taken, verdict};
use crate::fixture::{Row, judged, report, row};
use crate::{Confidence, Report, judge};

#[track_caller]
fn fires(report: &Report, taken_form: (&str, u64), rule: u8, words: &[&str]) {
    assert_eq!(taken(report), taken_form);
    assert_eq!(verdict(report).rule, Some(rule), "{:#?}", verdict(report).because);
    let numbered = format!("(rule {rule})");
    let words: Vec<&str> = words.iter().copied().chain([numbered.as_str()]).collect();
    says(&verdict(report).because, &words);
    assert!(!verdict(report).changes_for_you.is_empty());
}

fn python(form: &str, concurrency: u64, seconds: f64) -> Row {
    row(form, concurrency, seconds).shares(0.98, 0.02, "net", 0.0).cpu(2.0)
}

#[test]
fn rule_1_a_small_gain_is_not_worth_a_change() {
    let report = judged(vec![
        row("plain", 1, 1.05).shares(0.5, 0.0, "net", 0.5),
        row("threads", 4, 1.0).shares(0.5, 0.0, "net", 0.5),
    ]);
    fires(&report, ("plain", 1), 1, &["at most 1.05x as fast: threads at 4 1.00 s, plain 1.05 s"]);
}

#[test]
fn rule_1_tiny_work_is_fastest_where_it_is() {
    let report = judged(vec![
        python("plain", 1, 200e-6).cpu(200e-6),
        python("threads", 2, 2e-3).cpu(3e-3),
        python("processes", 2, 14e-3).cpu(20e-3),
    ]);
    fires(&report, ("plain", 1), 1, &["200 µs against 2.00 ms of threads at 2"]);
    assert_eq!(verdict(&report).confidence, Confidence::High);
}

#[test]
fn rule_1_more_in_flight_of_the_only_form_gains_nothing() {
    let report = judged(vec![
        row("coroutines", 1, 1.0).shares(0.95, 0.0, "net", 0.05),
        row("coroutines", 64, 1.01).shares(0.97, 0.0, "net", 0.03),
    ]);
    fires(
        &report,
        ("coroutines", 1),
        1,
        &["1.00 s with 1 in flight against 1.01 s with 64 in flight"],
    );
}

#[test]
fn rule_2_who_sleeps_with_the_gil_must_sleep_elsewhere() {
    let asleep = |form: &str, at: u64, seconds: f64| {
        row(form, at, seconds).shares(0.01, 0.0, "sleep", 0.99).with(|row| {
            row.held_waiting = Some(0.98);
        })
    };
    let report = judged(vec![
        asleep("plain", 1, 2.0),
        asleep("threads", 8, 2.1),
        asleep("processes", 2, 1.05),
    ]);
    fires(&report, ("processes", 2), 2, &["98 % of a unit", "with the GIL held"]);
    says(&verdict(&report).flips, &["to threads", "98 %", "let go of it"]);

    let alone = judged(vec![asleep("plain", 1, 2.0), asleep("threads", 8, 2.1)]);
    fires(&alone, ("plain", 1), 2, &["98 % of a unit", "only processes"]);
}

#[test]
fn rule_3_waiting_without_an_async_function_is_for_threads() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.02, 0.01, "net", 0.97).cpu(0.06),
        row("threads", 8, 0.26).shares(0.03, 0.01, "net", 0.96).cpu(0.06),
        row("threads", 64, 0.05).shares(0.1, 0.01, "net", 0.89).cpu(0.06),
        row("processes", 2, 1.04).shares(0.02, 0.01, "net", 0.97).cpu(0.2),
    ]);
    fires(&report, ("threads", 64), 3, &["97 % of a unit", "the network", "2 % is Python"]);
    says(&verdict(&report).because, &["processes at 2 1.04 s (20.8x)", "plain 2.00 s (40.0x)"]);
}

#[test]
fn rule_3_child_processes_are_for_threads() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.02, 0.0, "child", 0.98).cpu(0.1),
        row("threads", 4, 0.6).shares(0.02, 0.0, "child", 0.98).cpu(0.1),
    ]);
    fires(&report, ("threads", 4), 3, &["98 % of a unit", "child processes"]);
}

#[test]
fn rule_4_waiting_on_one_loop() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.01, 0.0, "net", 0.99),
        row("coroutines", 256, 0.02).shares(0.6, 0.0, "net", 0.4).memory(1024.0),
        row("threads", 64, 0.05).shares(0.2, 0.0, "net", 0.8).memory(19.0 * 1024.0),
    ]);
    fires(&report, ("coroutines", 256), 4, &["99 % of a unit", "1 % is Python"]);
    says(&verdict(&report).because, &["256 in flight", "4.75 MiB as threads", "256 KiB as tasks"]);
}

#[test]
fn rule_4_names_the_gil_that_threads_wait_for() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.05, 0.0, "net", 0.95),
        row("coroutines", 64, 0.05).shares(0.8, 0.0, "net", 0.2),
        row("threads", 64, 0.09).shares(0.1, 0.0, "net", 0.5).also("gil", 0.4),
    ]);
    fires(&report, ("coroutines", 64), 4, &["95 % of a unit"]);
    says(&verdict(&report).because, &["threads at 64 wait 40 %", "for the GIL"]);
}

#[test]
fn rule_4_where_only_an_async_function_was_given() {
    let report = judged(vec![
        row("coroutines", 1, 2.0).shares(0.04, 0.0, "net", 0.96),
        row("coroutines", 64, 0.05).shares(0.8, 0.0, "net", 0.2),
    ]);
    fires(&report, ("coroutines", 64), 4, &["96 % of the loop's time", "sockets and timers"]);
    assert_eq!(verdict(&report).runner_up, None);
}

#[test]
fn rule_5_the_disk_is_for_threads() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.1, 0.1, "disk", 0.8),
        row("threads", 8, 0.4).shares(0.1, 0.1, "disk", 0.8),
    ]);
    fires(&report, ("threads", 8), 5, &["80 % of a unit", "disk", "10 % is Python"]);
}

#[test]
fn rule_6_native_code_is_for_threads() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.03, 0.97, "net", 0.0).cpu(2.0),
        row("threads", 2, 1.04).shares(0.03, 0.95, "net", 0.0).cpu(2.0),
        row("processes", 2, 1.05).shares(0.03, 0.95, "net", 0.0).cpu(2.05),
    ]);
    fires(&report, ("threads", 2), 6, &["97 % of a unit is native code", "3 % is Python"]);
    says(&verdict(&report).flips, &["to processes at 2", "more than 52 %", "(now 3 %)"]);
}

#[test]
fn rule_7_python_code_is_for_other_interpreters() {
    for form in ["processes", "interpreters"] {
        let report = judged(vec![
            python("plain", 1, 2.0),
            python("threads", 2, 2.1).also("gil", 0.5),
            python(form, 2, 1.06),
        ]);
        fires(&report, (form, 2), 7, &["98 % of a unit is Python", "1.89 processors in use"]);
        says(&verdict(&report).flips, &["to threads", "less than 53 %", "(now 98 %)"]);
    }
}

#[test]
fn rule_7_threads_run_python_where_there_is_no_gil() {
    let mut report = report(vec![python("plain", 1, 2.0), python("threads", 2, 1.06)]);
    report.python.free_threaded = Some(true);
    judge(&mut report);
    fires(&report, ("threads", 2), 7, &["98 % of a unit is Python", "threads run side by side"]);
}

#[test]
fn rule_8_units_that_queue_for_the_gil_go_elsewhere() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.3, 0.0, "net", 0.7),
        row("threads", 8, 0.9).shares(0.1, 0.0, "net", 0.3).also("gil", 0.6).cpu(0.9),
        row("processes", 8, 0.5).shares(0.3, 0.0, "net", 0.7).cpu(0.8),
    ]);
    fires(&report, ("processes", 8), 8, &["threads at 8 wait 60 %", "for the GIL", "30 %"]);
}

#[test]
fn rule_8_is_a_limit_where_threads_are_the_best_all_the_same() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.05, 0.0, "net", 0.95),
        row("threads", 64, 0.12).shares(0.01, 0.0, "net", 0.19).also("gil", 0.8),
    ]);
    fires(&report, ("threads", 64), 3, &["95 % of a unit"]);
    says(&verdict(&report).limits, &["threads at 64 wait 80 %", "for the GIL", "(rule 8)"]);
}

#[test]
fn rule_9_locks_let_no_form_help() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.01, 0.0, "sleep", 0.99),
        row("threads", 8, 1.98).shares(0.01, 0.0, "sleep", 0.12).also("lock", 0.87),
    ]);
    fires(&report, ("plain", 1), 9, &["threads at 8 wait 87 %", "for locks", "no form helps"]);
    says(&verdict(&report).flips, &["to threads", "91 %", "(now about 99 %)"]);
}

#[test]
fn rule_9_is_a_limit_where_threads_gain_all_the_same() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.01, 0.0, "sleep", 0.99),
        row("threads", 2, 1.0).shares(0.01, 0.0, "sleep", 0.99),
        row("threads", 8, 0.99).shares(0.01, 0.0, "sleep", 0.24).also("lock", 0.75),
    ]);
    fires(&report, ("threads", 2), 3, &["99 % of a unit"]);
    says(&verdict(&report).limits, &["threads at 8 wait 75 %", "(rule 9)"]);
}

#[test]
fn rule_10_names_the_limit_of_what_is_called() {
    let sweep = |at: u64, seconds: f64| row("threads", at, seconds).shares(0.02, 0.0, "net", 0.98);
    let flat = judged(vec![
        row("plain", 1, 10.0).shares(0.02, 0.0, "net", 0.98),
        sweep(50, 0.85),
        sweep(300, 0.86),
    ]);
    fires(&flat, ("threads", 50), 3, &[]);
    says(&verdict(&flat).limits, &["from 50 to 300", "235/s to 233/s", "5 %", "(rule 10)"]);

    let growing = judged(vec![sweep(8, 1.0), sweep(16, 0.5), sweep(64, 0.15)]);
    assert!(!verdict(&growing).limits.iter().any(|limit| limit.contains("rule 10")));
}

#[test]
fn rule_11_an_executor_of_the_users_is_worth_its_way() {
    let report =
        judged(vec![python("plain", 1, 8.0), python("processes", 2, 4.2), python("dask", 8, 1.4)]);
    fires(&report, ("dask", 8), 11, &["dask at 8 took 1.40 s", "processes at 2, 4.20 s"]);
    says(&verdict(&report).flips, &["to processes at 2", "fewer than 2.7 of 8"]);
}

#[test]
fn without_shares_the_times_decide_and_the_verdict_says_so() {
    let report = judged(vec![row("plain", 1, 2.0), row("threads", 8, 0.3)]);
    fires(&report, ("threads", 8), 3, &["300 ms with threads at 8", "not known here"]);
    says(&verdict(&report).limits, &["not known here: the shares"]);
    assert_eq!(verdict(&report).confidence, Confidence::Medium);
}

#[test]
fn where_python_cannot_be_told_from_native_code_the_verdict_says_so() {
    let unsplit = |form: &str, at: u64, seconds: f64| {
        row(form, at, seconds).shares(0.0, 0.0, "net", 0.02).cpu(2.0).with(|row| {
            if let Some(shares) = &mut row.shares {
                (shares.cpu_python, shares.cpu_native) = (None, None);
            }
        })
    };
    let threads = judged(vec![unsplit("plain", 1, 2.0), unsplit("threads", 2, 1.05)]);
    fires(&threads, ("threads", 2), 6, &["98 % is on a processor, in Python or not"]);
    let processes = judged(vec![
        unsplit("plain", 1, 2.0),
        unsplit("threads", 2, 2.0),
        unsplit("processes", 2, 1.05),
    ]);
    fires(&processes, ("processes", 2), 7, &["98 % is on a processor, in Python or not"]);
}
