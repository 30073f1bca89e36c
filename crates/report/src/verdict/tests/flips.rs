//! The numbers in what would change a verdict, computed by hand.

use super::{says, taken, verdict};
use crate::fixture::{Row, judged, report, row};
use crate::judge;

fn waiting(form: &str, concurrency: u64, seconds: f64) -> Row {
    row(form, concurrency, seconds).shares(0.02, 0.0, "net", 0.98)
}

/// 200 units. Processes reach 200/s, which one interpreter does up to 5 ms of Python per unit.
#[test]
fn from_threads_to_processes_where_one_interpreter_is_full() {
    let report = judged(vec![
        waiting("plain", 1, 2.0).cpu(0.04),
        waiting("threads", 64, 0.05).cpu(0.04),
        waiting("processes", 2, 1.0).cpu(0.1),
    ]);
    assert_eq!(taken(&report), ("threads", 64));
    says(&verdict(&report).flips, &["to processes at 2", "passes 5.00 ms", "(now 200 µs)"]);
}

/// Handing over costs (1.04 - 0.04) s / 200 = 5 ms, over 0.9 further processors 5.56 ms.
#[test]
fn from_threads_to_processes_counts_what_handing_over_costs() {
    let report = judged(vec![
        waiting("plain", 1, 2.0).cpu(0.04),
        waiting("threads", 64, 0.05).cpu(0.04),
        waiting("processes", 64, 0.5).cpu(1.04),
    ]);
    says(&verdict(&report).flips, &["to processes at 64", "passes 5.56 ms"]);
}

#[test]
fn without_a_second_processor_no_limit_is_named() {
    let mut report = report(vec![
        waiting("plain", 1, 2.0).cpu(0.04),
        waiting("threads", 64, 0.05).cpu(0.04),
        waiting("processes", 2, 1.0).cpu(0.1),
    ]);
    report.machine.effective_cores = Some(1.05);
    judge(&mut report);
    says(&verdict(&report).flips, &["to processes at 2", "(now 1.05 in all)"]);
}

/// A task takes 0.01 s / 200 = 50 µs of the loop: 20,000/s. Threads take 0.04 s / 200 = 200 µs.
#[test]
fn from_tasks_where_one_loop_is_full() {
    let report = judged(vec![
        waiting("plain", 1, 2.0),
        waiting("coroutines", 64, 0.02).cpu(0.01),
        waiting("threads", 64, 0.04).cpu(0.02),
    ]);
    let flips = &verdict(&report).flips;
    says(flips, &["to threads at 64 (2.00x)", "more than 200 µs", "(now 50.0 µs)"]);
    says(flips, &["more than 20000/s", "now 10000/s, 50 % busy"]);
}

/// A unit of 1 ms; with processes it costs (0.6 - 0.2) s / 200 = 2 ms more. Worth it from
/// 1.1 * 2 ms / (1.9 - 1.1) = 2.75 ms.
#[test]
fn from_plain_where_units_are_long_enough_for_processes() {
    let python = |form: &str, at, seconds| row(form, at, seconds).shares(1.0, 0.0, "net", 0.0);
    let report = judged(vec![
        python("plain", 1, 0.2).cpu(0.2),
        python("threads", 2, 0.22).cpu(0.22),
        python("processes", 2, 0.31).cpu(0.6),
    ]);
    assert_eq!(taken(&report), ("plain", 1));
    says(&verdict(&report).flips, &["to processes at 2", "passes 2.75 ms", "(now 1.00 ms)"]);
}

/// Threads take 4 ms / 200 = 20 µs per unit; worth it for waits of 1.1 times as long.
#[test]
fn from_plain_where_units_wait_long_enough_for_threads() {
    let report = judged(vec![waiting("plain", 1, 0.001), waiting("threads", 8, 0.004)]);
    assert_eq!(taken(&report), ("plain", 1));
    says(&verdict(&report).flips, &["to threads at 8", "longer than 22.0 µs", "takes 5.00 µs"]);
}

#[test]
fn from_processes_back_where_units_are_short() {
    let python = |form: &str, at, seconds| row(form, at, seconds).shares(1.0, 0.0, "net", 0.0);
    let report =
        judged(vec![python("plain", 1, 2.0).cpu(2.0), python("processes", 2, 1.1).cpu(2.16)]);
    // 0.16 s / 200 = 0.8 ms to hand over: 1.1 * 0.8 ms / (1.9 - 1.1) = 1.1 ms.
    says(&verdict(&report).flips, &["to plain", "under 1.10 ms", "(now 10.0 ms)"]);
    says(&verdict(&report).flips, &["to threads", "less than 55 %", "(now 100 %)"]);
}

#[test]
fn every_verdict_with_a_runner_up_names_a_flip() {
    for form in ["plain", "coroutines", "threads", "processes", "interpreters", "dask", "asyncio"] {
        for second in ["plain", "coroutines", "threads", "processes", "stock threads"] {
            let report = judged(vec![row(form, 2, 1.0), row(second, 2, 3.0)]);
            if form != second {
                assert!(!verdict(&report).flips.is_empty(), "{form} before {second}");
            }
        }
    }
}
