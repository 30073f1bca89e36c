//! What this machine can give.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Long enough for a processor to be given to somebody else meanwhile, short enough for many.
const SLICE: Duration = Duration::from_millis(10);

/// How many cores' worth of work this process gets if it asks for all that it may use, measured
/// within about `budget`: work done by one thread for each against work done by one alone, slice
/// by slice, the medians. Below the number of processors on a machine that others use as well.
pub fn effective_cores(budget: Duration) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let rounds = (budget.as_nanos() / (2 * SLICE).as_nanos()).max(3);
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(speed(1));
        together.push(speed(threads));
    }
    median(&mut together) / median(&mut alone)
}

/// Work per second that `threads` of them do together.
fn speed(threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    work()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(0.0)).sum()
    })
}

/// Work per second of this thread.
fn work() -> f64 {
    let begun = Instant::now();
    let mut done = 0u64;
    while begun.elapsed() < SLICE {
        for _ in 0..1000 {
            done = black_box(done + 1);
        }
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_about_one_core_at_least() {
        let cores = effective_cores(Duration::from_millis(200));
        let most = std::thread::available_parallelism().expect("known").get() as f64;
        assert!(cores > 0.3 && cores < most * 1.5, "{cores}");
    }
}
