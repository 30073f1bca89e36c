use super::*;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Runs `unit` in a watched thread until the watch has looked `looks` times into it.
fn watched(rate: f64, unit: impl Fn() + Send + 'static) -> Seen {
    let watch = Arc::new(Watch::new(Mode::Units, rate));
    let (ready, is_ready) = mpsc::channel();
    let keep = ready.clone();
    let stop = Arc::new(AtomicU32::new(0));
    let thread = {
        let (watch, stop) = (Arc::clone(&watch), Arc::clone(&stop));
        std::thread::spawn(move || {
            let slot = watch.register();
            ready.send(()).expect("somebody waits");
            while stop.load(Ordering::Relaxed) == 0 {
                let begun = Instant::now();
                slot.enter();
                unit();
                slot.leave(begun.elapsed().as_nanos() as u64);
            }
            slot.end();
        })
    };
    is_ready.recv().expect("the thread runs");
    watch.begin(None).expect("it has not begun");
    // Nothing comes: what is waited for is the time in which the watch looks.
    assert!(is_ready.recv_timeout(Duration::from_millis(300)).is_err());
    drop(keep);
    stop.store(1, Ordering::Relaxed);
    thread.join().expect("it ends");
    watch.end().expect("it has begun")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the sleep is what is watched")]
fn a_sleep_is_seen_as_one() {
    let seen = watched(500.0, || std::thread::sleep(Duration::from_millis(5)));
    assert!(seen.waits_known);
    // On a busy machine it also waits for a processor, which looks like running.
    assert!(seen.tally.sleep > 0.0, "{seen:?}");
    assert_eq!(seen.tally.waiting() + seen.tally.selecting(), seen.tally.sleep, "{seen:?}");
    assert!(!seen.latencies.is_empty());
    assert!(seen.latencies.iter().all(|&nanoseconds| nanoseconds >= 5_000_000));
}

#[test]
fn work_is_seen_as_running_and_counted_by_the_kernel() {
    let seen = watched(500.0, || {
        std::hint::black_box((0..100_000u64).sum::<u64>());
    });
    let tally = &seen.tally;
    assert!(tally.running > 0.0 && tally.waiting() + tally.selecting() == 0.0, "{seen:?}");
    let processor = seen.processor.expect("Linux counts");
    let units: u64 = seen.latencies.iter().sum();
    assert!(processor.on + processor.queued > units / 2, "{seen:?}");
}

#[test]
fn a_watch_begins_once_and_ends_once() {
    let watch = Watch::new(Mode::Units, 100.0);
    assert!(watch.end().is_none());
    watch.begin(None).expect("it has not begun");
    assert!(watch.begin(None).is_err());
    assert!(watch.end().is_some());
    assert!(watch.end().is_none());
    watch.begin(None).expect("it has ended");
    assert!(watch.end().is_some());
}
