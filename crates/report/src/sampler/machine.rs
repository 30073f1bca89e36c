//! What this machine can give.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Long enough for a processor to be given to somebody else meanwhile, short enough for many.
const SLICE: Duration = Duration::from_millis(10);

/// The processors that this process may use; none where the system does not tell.
pub(super) fn processors() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect()
}

/// Keeps the calling thread on these processors, where that is allowed.
pub(super) fn stay_on(processors: &[usize]) {
    let mut set = CpuSet::new();
    processors.iter().for_each(|&processor| set.set(processor));
    let _ = sched_setaffinity(None, &set);
}

/// How many cores' worth of work this process gets if it asks for all that it may use, measured
/// within about `budget`: the work that one thread for each processor does in a slice of time
/// against what a lone thread does in as much time on a processor, each the median. Below the number
/// of processors on a machine that others use as well. A machine whose speed comes and goes for all
/// is not busy: then rounds stray.
pub fn effective_cores(budget: Duration) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let processors = processors();
    // Each thread has a processor of its own: in so short a time the system does not always give it
    // one, and it would be the system's choice that is measured. Where there are more processors
    // than the process may fill, which of them are free is the system's to know.
    let seats: Vec<_> = match processors.len() == threads {
        true => processors.into_iter().map(Some).collect(),
        false => vec![None; threads],
    };
    let rounds = (budget.as_nanos() / (2 * SLICE).as_nanos()).max(3) as usize;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let lone = work_on(&seats[round % threads..][..1]);
        alone.extend(lone.iter().map(|speed| speed.of_processor));
        together.push(work_on(&seats).iter().map(|speed| speed.of_thread).sum());
    }
    (median(&mut together) / median(&mut alone)).min(threads as f64)
}

/// Work per second.
struct Speed {
    /// Of the time that passed.
    of_thread: f64,
    /// Of the time that the thread had a processor.
    of_processor: f64,
}

/// A thread on each of these processors works for a slice, all at once.
fn work_on(seats: &[Option<usize>]) -> Vec<Speed> {
    let barrier = Barrier::new(seats.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = seats
            .iter()
            .map(|seat| {
                scope.spawn(|| {
                    seat.map(|processor| stay_on(&[processor]));
                    barrier.wait();
                    work()
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    })
}

/// Works in registers alone: how fast a processor is with a value that it has just stored changes
/// by half from one slice to the next.
fn work() -> Speed {
    let (begun, had) = (Instant::now(), on_processor());
    let (mut done, mut value) = (0u64, 1u64);
    while begun.elapsed() < SLICE {
        for _ in 0..1000 {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        black_box(value);
        done += 1000;
    }
    let (passed, had) = (begun.elapsed(), on_processor() - had);
    Speed {
        of_thread: done as f64 / passed.as_secs_f64(),
        of_processor: done as f64 / had.min(passed).as_secs_f64(),
    }
}

/// The time that this thread has had a processor.
fn on_processor() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_than_there_are() {
        let cores = effective_cores(Duration::from_millis(200));
        let most = std::thread::available_parallelism().expect("known").get() as f64;
        assert!(cores > 0.0 && cores <= most, "{cores}");
    }
}
