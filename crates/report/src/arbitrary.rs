//! Reports of any shape, for property tests: also ones that no measurement would give.

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;

use crate::fixture::report;
use crate::{Fault, Form, Interval, Latency, Report, Shares, Status, Switches};

const FORMS: [&str; 9] = [
    "plain",
    "coroutines",
    "threads",
    "processes",
    "interpreters",
    "asyncio",
    "stock threads",
    "dask",
    "날실 a|b\n\u{1b}[31m",
];

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 1e-7..1e4f64,
        1 => Just(0.0),
        1 => Just(1e300),
    ]
}

fn share() -> impl Strategy<Value = Option<f64>> {
    weighted(0.9, 0.0..1.0f64)
}

fn shares() -> impl Strategy<Value = Shares> {
    vec(share(), 9).prop_map(|parts| {
        let sum: f64 = parts.iter().flatten().sum::<f64>().max(1e-9);
        let part = |index: usize| parts.get(index).copied().flatten().map(|share| share / sum);
        Shares {
            cpu_python: part(0),
            cpu_native: part(1),
            wait_network: part(2),
            wait_disk: part(3),
            wait_sleep: part(4),
            wait_child: part(5),
            wait_lock: part(6),
            wait_gil: part(7),
            run_queue: part(8),
        }
    })
}

/// Times that lie close together, so that ties happen.
fn elapsed() -> impl Strategy<Value = Interval> {
    let near = (0.9..1.2f64, 0.0..0.1f64, 0.0..0.1f64);
    let far = (1e-6..1e3f64, 0.0..0.9f64, 0.0..3.0f64);
    prop_oneof![near, far].prop_map(|(median, below, above)| Interval {
        median: Some(median),
        low: Some(median * (1.0 - below)),
        high: Some(median * (1.0 + above)),
    })
}

fn status() -> impl Strategy<Value = Option<Status>> {
    prop_oneof![
        12 => Just(Some(Status::Ok)),
        1 => Just(None),
        1 => Just(Some(Status::Failed)),
        1 => Just(Some(Status::Differs)),
        1 => Just(Some(Status::TimedOut)),
        1 => Just(Some(Status::Predicted)),
        1 => Just(Some(Status::Other("?".into()))),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    (".{0,30}", of(".{0,200}"), of("[a-z]{1,40}\\.py:[0-9]{1,3}"))
        .prop_map(|(kind, message, place)| Fault { kind, message, place, ..Fault::default() })
}

prop_compose! {
    fn form()(
        form in prop::sample::select(&FORMS[..]),
        concurrency in of(prop::sample::select(vec![1u64, 2, 8, 64, 256, 100_000])),
        measured in prop::bool::weighted(0.9),
        rounds in of(0..9u64),
        elapsed_s in weighted(0.95, elapsed()),
        cpu_s in of(number()),
        shares in of(shares()),
        held_waiting in of(0.0..1.0f64),
        bytes_per_unit in of(number()),
        start_s in of(number()),
        p50 in of(number()),
        p99 in of(number()),
        voluntary in of(number()),
        errors in prop_oneof![9 => Just(Vec::new()), 1 => vec(fault(), 1..3)],
        status in status(),
        note in of(".{0,120}"),
    ) -> Form {
        Form {
            form: form.into(),
            function: Some(if form == "coroutines" { "afetch" } else { "fetch" }.into()),
            concurrency: concurrency.map_or(crate::Count::default(), Into::into),
            measured,
            rounds: rounds.map_or(crate::Count::default(), Into::into),
            throughput_per_s: elapsed_s.as_ref().and_then(|e| e.median).map(|s| 200.0 / s),
            elapsed_s,
            latency_s: Some(Latency { p50, p99 }),
            cpu_s,
            shares,
            gil_share: held_waiting,
            switches_per_unit: Some(Switches { voluntary, involuntary: None }),
            bytes_per_unit,
            errors,
            status,
            note,
            start_s,
            held_waiting,
            ..Form::default()
        }
    }
}

prop_compose! {
    /// A report that is not judged.
    pub(crate) fn any_report()(
        forms in vec(form(), 0..14),
        effective_cores in of(prop_oneof![0.0..3.0f64, Just(1.1)]),
        cpus in of(0..5u64),
        items in of(prop_oneof![Just(0u64), 1..1_000_000u64]),
        is_async in any::<bool>(),
        interrupted in any::<bool>(),
        cost_share in of(0.0..0.2f64),
        target in ".{0,150}",
    ) -> Report {
        let mut report = report(Vec::new());
        report.forms = forms;
        report.machine.effective_cores = effective_cores;
        report.machine.cpus = cpus.map_or(crate::Count::default(), Into::into);
        report.work.items = items.map_or(crate::Count::default(), Into::into);
        report.work.target = target;
        report.work.interrupted = Some(interrupted);
        if is_async {
            report.work.functions.push(crate::Function { is_async, ..crate::Function::default() });
        }
        if let Some(sampler) = &mut report.sampler {
            sampler.cost_share = cost_share;
        }
        report
    }
}
