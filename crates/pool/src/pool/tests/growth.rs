//! Who comes for a job: a worker that idles, or a thread more; and who goes.

use super::*;

#[test]
fn threads_are_started_up_to_the_limit() {
    let pool = ThreadPool::new(limits(2));
    assert!(matches!(pool.give(1), Step::Start));
    assert!(matches!(pool.give(2), Step::Start));
    assert!(matches!(pool.give(3), Step::Nothing));
    let counts = pool.counts();
    assert_eq!((counts.workers, counts.queued, counts.submitted), (2, 3, 3));
    assert_eq!((counts.running, counts.threads_started), (0, 0), "nobody has come yet");
}

#[test]
fn a_thread_on_its_way_is_counted_on_for_one_job() {
    let pool = ThreadPool::new(limits(8));
    let [mut busy] = <[Worker; 1]>::try_from(pool.busy_crew(1)).unwrap();
    let mut late = pool.start(1);
    assert_eq!(pool.runs(&mut busy).0, 1, "the first was faster");
    assert!(matches!(pool.give(2), Step::Nothing), "the second will find this one");
    assert!(matches!(pool.give(3), Step::Start));
    assert_eq!(pool.runs(&mut late).0, 2);
    assert_eq!(pool.starting(), 1);
}

#[test]
fn an_idle_worker_comes_before_a_thread_more() {
    let pool = ThreadPool::new(limits(8));
    let mut crew = pool.idle_crew(1);
    pool.give_and_wake(1);
    crew[0].is_up();
    assert_eq!(pool.runs(&mut crew[0]).0, 1);
    assert!(matches!(pool.give(2), Step::Start));
}

#[test]
fn one_worker_is_woken_at_a_time_and_wakes_the_next() {
    let pool = ThreadPool::new(limits(8));
    let mut crew = pool.idle_crew(3);
    pool.give_and_wake(1);
    assert!(matches!(pool.give(2), Step::Nothing));
    assert!(matches!(pool.give(3), Step::Nothing));
    assert!(matches!(pool.give(4), Step::Nothing));
    assert_eq!(pool.waking(), 1);
    for (place, number) in [(2, 1), (1, 2)] {
        crew[place].is_up();
        let (taken, step) = pool.runs(&mut crew[place]);
        assert_eq!(taken, number);
        assert!(matches!(step, Step::Wake(_)));
        step.wake();
    }
    crew[0].is_up();
    let (taken, step) = pool.runs(&mut crew[0]);
    assert_eq!(taken, 3);
    assert!(matches!(step, Step::Start), "nobody is left to be woken");
}

#[test]
fn short_jobs_are_left_to_the_worker_that_was_woken() {
    let pool = ThreadPool::new(limits(8));
    let mut crew = pool.idle_crew(2);
    pool.give_and_wake(1);
    crew[1].is_up();
    assert!(matches!(pool.runs(&mut crew[1]), (1, Step::Nothing)));
    pool.lies_down(&mut crew[1]);
    pool.give_and_wake(2);
    crew[1].is_up(); // the last to lie down
    assert!(matches!(pool.runs(&mut crew[1]), (2, Step::Nothing)));
    assert_eq!(pool.idled(&mut crew[0]), Idle::Retires);
}

#[test]
fn a_worker_sleeps_on_until_the_wake_up_is_given() {
    let pool = ThreadPool::new(limits(1));
    let mut crew = pool.idle_crew(1);
    let put_off = pool.give(1);
    assert_eq!(crew[0].nap(), Parked::TimedOut, "there is work, but not yet for the taking");
    put_off.wake();
    crew[0].is_up();
    assert_eq!(pool.runs(&mut crew[0]).0, 1);
}

#[test]
fn a_wake_up_that_comes_late_does_nothing() {
    let pool = ThreadPool::new(limits(1));
    let mut crew = pool.idle_crew(1);
    let late = pool.give(1);
    assert_eq!(crew[0].nap(), Parked::TimedOut);
    assert_eq!(pool.idled(&mut crew[0]), Idle::Wanted, "found without it");
    assert_eq!(pool.runs(&mut crew[0]).0, 1);
    pool.lies_down(&mut crew[0]);
    late.wake();
    assert_eq!(pool.waking(), 0);
    assert_eq!(crew[0].nap(), Parked::TimedOut);
    assert_eq!(pool.idled(&mut crew[0]), Idle::Retires);
}

#[test]
fn a_late_wake_up_serves_for_the_next_job() {
    let pool = ThreadPool::new(limits(1));
    let mut crew = pool.idle_crew(1);
    let late = pool.give(1);
    assert_eq!(pool.idled(&mut crew[0]), Idle::Wanted);
    pool.runs(&mut crew[0]);
    pool.lies_down(&mut crew[0]);
    let next = pool.give(2);
    late.wake();
    crew[0].is_up();
    next.wake();
    assert_eq!(pool.runs(&mut crew[0]).0, 2);
    pool.lies_down(&mut crew[0]);
    assert_eq!((crew[0].nap(), pool.waking()), (Parked::TimedOut, 0));
}

#[test]
fn a_worker_woken_for_nothing_lies_down_again() {
    let pool = ThreadPool::new(limits(1));
    let mut crew = pool.idle_crew(1);
    pool.give_and_wake(1);
    assert_eq!(pool.take_one(&mut Leavings::default()).unwrap().number, 1);
    crew[0].is_up();
    pool.lies_down(&mut crew[0]);
    assert_eq!(pool.waking(), 0);
    pool.give_and_wake(2);
}

#[test]
fn idle_workers_retire_but_for_those_that_are_kept() {
    let pool = ThreadPool::new(Limits { min_workers: 1, ..limits(8) });
    let mut crew = pool.idle_crew(2);
    assert_eq!(crew[0].nap(), Parked::TimedOut);
    assert_eq!(pool.idled(&mut crew[0]), Idle::Retires);
    assert_eq!(crew[1].nap(), Parked::TimedOut);
    assert_eq!(pool.idled(&mut crew[1]), Idle::Stays);
    let counts = pool.counts();
    assert_eq!((counts.workers, counts.idle, counts.threads_ended), (1, 1, 1));
    pool.give_and_wake(9);
    crew[1].is_up();
    assert_eq!(pool.runs(&mut crew[1]).0, 9);
}

#[test]
fn a_worker_that_was_given_work_does_not_retire() {
    let pool = ThreadPool::new(limits(1));
    let mut crew = pool.idle_crew(1);
    assert_eq!(crew[0].nap(), Parked::TimedOut);
    pool.give_and_wake(1);
    assert_eq!(pool.idled(&mut crew[0]), Idle::Wanted);
    assert_eq!(pool.runs(&mut crew[0]).0, 1);
    assert_eq!(pool.waking(), 0);
}

#[test]
fn after_the_last_worker_has_retired_a_thread_is_started() {
    let pool = ThreadPool::new(limits(1));
    let mut crew = pool.idle_crew(1);
    assert_eq!(pool.idled(&mut crew[0]), Idle::Retires);
    let mut other = pool.start(7);
    assert_eq!(pool.runs(&mut other).0, 7);
    assert_eq!(pool.counts().threads_started, 2);
}

#[test]
fn a_thread_that_cannot_be_started_is_not_counted_on() {
    let pool = ThreadPool::new(limits(2));
    assert!(matches!(pool.give(1), Step::Start));
    assert!(matches!(pool.give(2), Step::Start));
    assert!(!pool.start_failed(), "another is on its way");
    assert!(pool.start_failed());
    let counts = pool.counts();
    assert_eq!((counts.workers, counts.queued, counts.threads_ended), (0, 2, 0));
    let mut worker = pool.start(3);
    let (number, step) = pool.runs(&mut worker);
    assert_eq!(number, 1, "what was queued is still there");
    assert!(matches!(step, Step::Start));
}

#[test]
fn the_place_of_a_worker_that_gives_up_is_free() {
    let pool = ThreadPool::new(limits(1));
    let worker = pool.start(1);
    assert!(matches!(pool.abandon(worker), Step::Start));
    assert_eq!((pool.counts().workers, pool.starting()), (1, 1));
    let mut crew = vec![pool.enter()];
    assert_eq!(pool.runs(&mut crew[0]).0, 1);
    assert!(matches!(pool.abandon(crew.remove(0)), Step::Nothing));
    assert_eq!(pool.counts().workers, 0);
}

#[test]
fn a_pool_is_saturated_when_nobody_can_come() {
    let pool = ThreadPool::new(limits(1));
    assert!(!pool.is_saturated());
    let mut worker = pool.start(1);
    assert!(!pool.is_saturated(), "somebody comes");
    assert!(matches!(pool.give(2), Step::Nothing));
    assert_eq!(pool.counts().saturated, 0);
    pool.runs(&mut worker);
    assert!(pool.is_saturated());
    assert!(matches!(pool.give(3), Step::Nothing));
    assert_eq!(pool.counts().saturated, 1);
    pool.runs(&mut worker);
    pool.runs(&mut worker);
    pool.lies_down(&mut worker);
    assert!(!pool.is_saturated());
    pool.give(4);
    pool.give(5);
    assert_eq!(pool.counts().saturated, 1, "a worker was there, or coming");
}
