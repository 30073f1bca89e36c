//! Reports for tests, built row by row.

use crate::{
    Count, Fault, Form, Function, Interval, Latency, Machine, Python, Report, Sampler, Shares,
    Status, Switches, Work, judge,
};

/// The items of all reports here.
pub(crate) const ITEMS: u64 = 200;

/// A row, and what can be said about it.
#[derive(Clone)]
pub(crate) struct Row(Form);

/// A measured row: five rounds that stray by 2 %.
pub(crate) fn row(form: &str, concurrency: u64, seconds: f64) -> Row {
    let is_loop = matches!(form, "coroutines" | "asyncio");
    Row(Form {
        form: form.into(),
        function: Some(if is_loop { "afetch" } else { "fetch" }.into()),
        concurrency: concurrency.into(),
        measured: true,
        rounds: 5.into(),
        elapsed_s: None,
        throughput_per_s: Some(ITEMS as f64 / seconds),
        latency_s: Some(Latency { p50: Some(seconds / 9.0), p99: Some(seconds / 3.0) }),
        cpu_s: Some(seconds * 0.1),
        gil_share: Some(0.05),
        switches_per_unit: Some(Switches { voluntary: Some(2.1), involuntary: Some(0.0) }),
        threads: concurrency.into(),
        peak_rss_bytes: (20 << 20).into(),
        status: Some(Status::Ok),
        ..Form::default()
    })
    .within(0.98, 1.02, seconds)
}

/// A row without numbers.
pub(crate) fn failed(form: &str, concurrency: u64, status: Status, kind: &str) -> Row {
    let mut row = row(form, concurrency, 1.0);
    row.0 = Form {
        form: form.into(),
        function: row.0.function,
        concurrency: concurrency.into(),
        status: Some(status),
        errors: vec![Fault {
            kind: kind.into(),
            message: Some("it broke".into()),
            place: Some("work.py:12".into()),
            count: 3.into(),
            ..Fault::default()
        }],
        ..Form::default()
    };
    row
}

impl Row {
    fn within(mut self, low: f64, high: f64, seconds: f64) -> Row {
        self.0.elapsed_s = Some(Interval {
            median: Some(seconds),
            low: Some(low * seconds),
            high: Some(high * seconds),
        });
        self
    }

    /// The ends of the interval, as factors of the median.
    pub(crate) fn spread(self, low: f64, high: f64) -> Row {
        let median = self.0.elapsed().map_or(1.0, |(_, median, _)| median);
        self.within(low, high, median)
    }

    /// The shares on a processor and waiting, of which the last may be any kind.
    pub(crate) fn shares(mut self, python: f64, native: f64, wait: &str, share: f64) -> Row {
        let mut shares = self.0.shares.unwrap_or(Shares {
            cpu_python: Some(0.0),
            cpu_native: Some(0.0),
            wait_network: Some(0.0),
            wait_disk: Some(0.0),
            wait_sleep: Some(0.0),
            wait_child: Some(0.0),
            wait_lock: Some(0.0),
            wait_gil: Some(0.0),
            run_queue: Some(0.0),
        });
        shares.cpu_python = Some(python);
        shares.cpu_native = Some(native);
        self.0.shares = Some(shares);
        self.also(wait, share)
    }

    /// One more kind of wait.
    pub(crate) fn also(mut self, wait: &str, share: f64) -> Row {
        let mut shares = self.0.shares.unwrap_or_default();
        let place = match wait {
            "net" => &mut shares.wait_network,
            "disk" => &mut shares.wait_disk,
            "sleep" => &mut shares.wait_sleep,
            "child" => &mut shares.wait_child,
            "lock" => &mut shares.wait_lock,
            "gil" => &mut shares.wait_gil,
            "runq" => &mut shares.run_queue,
            other => panic!("no such wait: {other}"),
        };
        *place = Some(share);
        self.0.shares = Some(shares);
        self
    }

    /// Processor seconds for all items.
    pub(crate) fn cpu(mut self, seconds: f64) -> Row {
        self.0.cpu_s = Some(seconds);
        self
    }

    /// Bytes for each unit in flight.
    pub(crate) fn memory(mut self, bytes: f64) -> Row {
        self.0.bytes_per_unit = Some(bytes);
        self
    }

    /// Any other change.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Form)) -> Row {
        change(&mut self.0);
        self
    }
}

/// A report of these rows, not judged: two processors, both free.
pub(crate) fn report(rows: Vec<Row>) -> Report {
    let forms: Vec<Form> = rows.into_iter().map(|row| row.0).collect();
    let is_async = |form: &Form| matches!(form.form.as_str(), "coroutines" | "asyncio");
    let mut functions = Vec::new();
    for (name, of_loop) in [("fetch", false), ("afetch", true)] {
        if forms.iter().any(|form| is_async(form) == of_loop) {
            let name = name.to_owned();
            functions.push(Function { name, is_async: of_loop, ..Function::default() });
        }
    }
    Report {
        schema: 1,
        work: Work {
            target: "work.py:fetch,afetch".into(),
            functions,
            items: ITEMS.into(),
            rounds: 5.into(),
            took_s: Some(21.0),
            ..Work::default()
        },
        machine: Machine {
            cpus: 2.into(),
            effective_cores: Some(1.9),
            memory_bytes: Count::from(8 << 30),
            ..Machine::default()
        },
        python: Python {
            version: "3.13.0".into(),
            implementation: Some("CPython".into()),
            free_threaded: Some(false),
            ..Python::default()
        },
        sampler: Some(Sampler {
            rate_hz: Some(250.0),
            cost_share: Some(0.004),
            ..Sampler::default()
        }),
        forms,
        verdict: None,
        more: serde_json::Map::new(),
    }
}

/// A report of these rows, judged.
pub(crate) fn judged(rows: Vec<Row>) -> Report {
    let mut report = report(rows);
    judge(&mut report);
    report
}
