//! The row of coroutines where only a blocking function was given.
//!
//! Tasks meet the same servers at the same concurrency as threads do, so what the threads took is
//! the prediction. It is good while one loop has time to spare, and is refused beyond: then what a
//! task costs decides, and no run of threads tells that. The processor time of a blocking round
//! trip and of one on a loop are about the same, so the threads also tell how busy a loop would be.

use super::contender::{self, Contender};
use super::nature::{Nature, Wait};
use super::rules::HELD;
use crate::label::Kind;
use crate::model::{Band, Count, Interval};
use crate::quantity::percent;
use crate::{Form, Status, Work};

/// How busy a loop may be. Beyond, predictions were off by up to a factor of two.
const FREE_LOOP: f64 = 0.35;
/// Where the truth lies, as factors of the threads' interval. In ten measurements with a loop less
/// busy than that, coroutines took 1.01 to 1.47 times the threads' time, most of them 1.04 times.
const BAND: (f64, f64) = (0.85, 1.45);
/// The share of a unit that may wait for what a loop cannot.
const FOREIGN: f64 = 0.10;

/// Whether the row is a prediction, or one that was refused.
pub(crate) fn is_prediction(row: &Form) -> bool {
    !row.measured && row.state() == Status::Predicted
}

/// Takes out predictions of earlier calls, and adds one if it is due.
pub(crate) fn replace(rows: &mut Vec<Form>, work: &Work) {
    rows.retain(|row| !is_prediction(row));
    let is_async = work.functions.iter().any(|function| function.is_async)
        || rows.iter().any(|row| Kind::of(&row.form).is_loop());
    if !is_async && let Some(row) = row(rows, work.items.unwrap_or(1).max(1)) {
        rows.push(row);
    }
}

fn row(rows: &[Form], items: u64) -> Option<Form> {
    let threads = contender::contenders(rows)
        .into_iter()
        .filter(|one| Kind::of(&one.row.form) == Kind::Threads)
        .min_by(|a, b| a.median.total_cmp(&b.median))?;
    let refused = |why: String| Some(refused(&threads, why));
    let Some(seen) = Nature::find(rows, items) else {
        return refused("what a unit waits for is not known here".to_owned());
    };
    if let Some(why) = foreign(&seen) {
        return refused(why);
    }
    let mut able = contender::eligible(rows);
    able.retain(|one| {
        one.row.form == threads.row.form
            && one.row.function == threads.row.function
            && one.row.concurrency <= threads.row.concurrency
            && one.row.concurrency.unwrap_or(1) > 1
    });
    able.sort_by_key(|one| std::cmp::Reverse(one.row.concurrency));
    if able.is_empty() {
        return refused("threads gain nothing from more in flight".to_owned());
    }
    if able.iter().all(|one| busy(one).is_none()) {
        return refused("the processor time of the threads is not known".to_owned());
    }
    let full = busy(&threads).filter(|busy| *busy >= FREE_LOOP);
    let note = full.map(|busy| {
        format!(
            "at {} one loop would be about {} busy: no prediction there",
            threads.row.concurrency.unwrap_or(1),
            percent(busy.min(1.0))
        )
    });
    match able.iter().find(|one| busy(one).is_some_and(|busy| busy < FREE_LOOP)) {
        Some(one) => Some(predicted(one, note)),
        None => refused(note.unwrap_or_else(|| "a loop would be full at any of these".to_owned())),
    }
}

/// The share of its time that one loop would compute.
fn busy(threads: &Contender<'_>) -> Option<f64> {
    threads.row.cpu_s.map(|cpu| cpu / threads.median).filter(|busy| busy.is_finite())
}

/// Why tasks cannot do what the unit does.
fn foreign(seen: &Nature<'_>) -> Option<String> {
    let disk = seen.wait(Wait::Disk);
    let lock = seen.wait(Wait::Lock);
    let child = seen.wait(Wait::Child);
    if seen.held >= HELD {
        Some(format!("{} of a unit holds the GIL asleep, which stops a loop", percent(seen.held)))
    } else if seen.is_cpu_bound() {
        Some(format!("{} of a unit computes: one loop runs one at a time", percent(seen.cpu)))
    } else if disk >= FOREIGN {
        Some(format!("{} of a unit waits for the disk, which a loop cannot", percent(disk)))
    } else if child >= FOREIGN {
        Some(format!(
            "{} of a unit waits for child processes, and starting these stops a loop",
            percent(child)
        ))
    } else if lock >= FOREIGN {
        Some(format!("{} of a unit waits for locks, which stop a loop", percent(lock)))
    } else {
        None
    }
}

fn blank(threads: &Contender<'_>) -> Form {
    Form {
        form: "coroutines".to_owned(),
        function: threads.row.function.clone(),
        concurrency: threads.row.concurrency,
        rounds: Count::from(0),
        status: Some(Status::Predicted),
        ..Form::default()
    }
}

fn refused(threads: &Contender<'_>, why: String) -> Form {
    Form { note: Some(format!("not predicted: {why}")), ..blank(threads) }
}

fn predicted(threads: &Contender<'_>, note: Option<String>) -> Form {
    // Tasks of one loop do not queue for the GIL or for a processor as threads do.
    let shares = threads.row.shares.unwrap_or_default();
    let queued = shares.wait_gil.unwrap_or(0.0) + shares.run_queue.unwrap_or(0.0);
    let low = BAND.0 * (1.0 - queued).clamp(0.0, 1.0) * threads.low;
    let high = BAND.1 * threads.high;
    Form {
        elapsed_s: Some(Interval {
            median: Some(threads.median),
            low: Some(low),
            high: Some(high),
        }),
        throughput_per_s: threads.row.throughput_per_s,
        threads: Count::from(1),
        band: Some(Band { low: Some(low), high: Some(high) }),
        note,
        ..blank(threads)
    }
}
