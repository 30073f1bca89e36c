//! A pool that takes no more jobs.

use super::*;

#[test]
fn a_closed_pool_gives_jobs_back() {
    let pool = ThreadPool::new(limits(1));
    assert!(!pool.is_closed());
    assert!(matches!(pool.close(), (wake, false) if wake.is_empty()));
    assert!(pool.is_closed());
    let refused = pool.submit(work(3), 0, false);
    assert!(matches!(refused, Err(Refused::Closed(Work { number: 3, .. }))), "{refused:?}");
}

#[test]
fn idle_workers_are_woken_and_end() {
    let pool = ThreadPool::new(limits(3));
    let mut crew = pool.idle_crew(3);
    assert_eq!(crew[0].nap(), Parked::TimedOut);
    let (wake, needs_worker) = pool.close();
    assert_eq!((wake.len(), needs_worker), (3, false));
    wake.into_iter().for_each(Waker::wake);
    assert_eq!(pool.idled(&mut crew[0]), Idle::Wanted, "not to be counted twice");
    for worker in &mut crew[1..] {
        assert_eq!(worker.park(Some(Duration::from_secs(60)), None), Parked::Caught);
    }
    crew.iter_mut().for_each(|worker| pool.exits(worker));
    let counts = pool.counts();
    assert_eq!((counts.workers, counts.threads_ended, pool.waking()), (0, 3, 0));
}

#[test]
fn what_is_queued_is_run_first() {
    let pool = ThreadPool::new(limits(1));
    let mut worker = pool.start(1);
    pool.give(2);
    assert!(!pool.close().1, "a worker is on its way");
    assert_eq!(pool.runs(&mut worker).0, 1);
    assert_eq!(pool.runs(&mut worker).0, 2);
    pool.exits(&mut worker);
}

#[test]
fn a_closed_pool_still_grows_for_what_is_queued() {
    let pool = ThreadPool::new(limits(2));
    let mut worker = pool.start(1);
    assert!(matches!(pool.give(2), Step::Start));
    assert!(!pool.start_failed());
    assert!(!pool.close().1);
    assert!(matches!(pool.runs(&mut worker), (1, Step::Start)));
}

#[test]
fn jobs_without_a_worker_are_told_of() {
    let pool = ThreadPool::new(limits(1));
    assert!(matches!(pool.give(1), Step::Start));
    assert!(pool.start_failed());
    assert!(pool.close().1);
    pool.claim_worker();
    assert_eq!((pool.counts().workers, pool.starting()), (1, 1));
    let mut worker = pool.enter();
    assert_eq!(pool.runs(&mut worker).0, 1);
    pool.exits(&mut worker);
    assert_eq!(pool.counts().workers, 0);
}

#[test]
fn the_last_worker_of_a_closed_pool_that_gives_up_is_not_replaced() {
    let pool = ThreadPool::new(limits(2));
    let worker = pool.start(1);
    let other = pool.start(2);
    pool.close();
    assert!(matches!(pool.abandon(worker), Step::Start), "the other may take its time");
    assert!(!pool.start_failed());
    assert!(matches!(pool.abandon(other), Step::Nothing));
    assert_eq!(pool.drain().len(), 2);
    assert_eq!((pool.counts().workers, pool.starting()), (0, 0));
}

#[test]
fn what_is_recorded_is_counted() {
    let pool = ThreadPool::<Work>::new(limits(1));
    pool.record(&Sample { run: 5, ..Sample::default() });
    pool.record(&Sample { run: 5, failed: true, ..Sample::default() });
    pool.count(|counts| counts.cancelled += 3);
    let counts = pool.counts();
    assert_eq!((counts.completed, counts.failed, counts.cancelled), (1, 1, 3));
}
