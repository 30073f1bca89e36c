//! Workers that wait for their own pool, and those that stand in for them.

use super::*;

fn limits_with_overflow(max_workers: usize, max_overflow: usize) -> Limits {
    Limits { max_overflow, ..limits(max_workers) }
}

fn needed(number: u32, wait: u64) -> Work {
    Work { needed_by: Some(wait), ..work(number) }
}

#[test]
fn a_blocked_worker_makes_place_for_another() {
    let pool = ThreadPool::new(limits_with_overflow(1, 1));
    pool.busy_crew(1);
    assert!(matches!(pool.give(1), Step::Nothing));
    assert!(matches!(pool.begin_blocking(), Step::Start));
    let counts = pool.counts();
    assert_eq!((counts.workers, counts.blocked, counts.overflow), (2, 1, 1));
    assert!(matches!(pool.give(2), Step::Nothing), "one may run at a time");
}

#[test]
fn nobody_comes_before_there_is_a_job() {
    let pool = ThreadPool::new(limits_with_overflow(1, 1));
    pool.busy_crew(1);
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
    assert!(!pool.is_saturated());
    assert!(matches!(pool.give(1), Step::Start));
}

#[test]
fn blocked_workers_are_replaced_up_to_the_overflow() {
    let pool = ThreadPool::new(limits_with_overflow(1, 2));
    for number in 0..3 {
        let mut worker = pool.start(number);
        pool.runs(&mut worker);
        assert!(matches!(pool.begin_blocking(), Step::Nothing));
    }
    assert!(matches!(pool.give(3), Step::Nothing));
    assert_eq!((pool.counts().overflow, pool.counts().saturated), (2, 1));
    assert!(pool.is_saturated());
}

#[test]
fn who_stood_in_leaves_when_the_others_are_back() {
    let pool = ThreadPool::new(limits_with_overflow(1, 1));
    let mut blocked = pool.busy_crew(1);
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
    let mut stand_in = pool.start(1);
    pool.runs(&mut stand_in);
    pool.give(2);
    pool.end_blocking();
    pool.exits(&mut stand_in);
    assert_eq!(pool.counts().overflow, 0);
    assert_eq!(pool.runs(&mut blocked[0]).0, 2, "the job is left to who stays");
    pool.lies_down(&mut blocked[0]);
}

#[test]
fn the_first_to_be_done_leaves_even_if_there_is_no_job() {
    let pool = ThreadPool::new(limits_with_overflow(1, 1));
    let mut blocked = pool.busy_crew(1);
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
    let mut stand_in = pool.start(1);
    pool.runs(&mut stand_in);
    pool.lies_down(&mut stand_in);
    pool.end_blocking();
    pool.exits(&mut blocked[0]);
    let counts = pool.counts();
    assert_eq!((counts.workers, counts.idle, counts.overflow), (1, 1, 0));
    pool.give_and_wake(2);
}

/// Two may run, one does, two idle: the one that is woken is one too many, but if it left nobody
/// would come for the job.
#[test]
fn who_stands_in_takes_the_job_it_was_woken_for() {
    let pool = ThreadPool::new(limits_with_overflow(2, 1));
    let mut crew = pool.busy_crew(1);
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
    crew.push(pool.start(1));
    crew.push(pool.start(2));
    for place in [1, 2] {
        pool.runs(&mut crew[place]);
    }
    for place in [1, 2] {
        pool.lies_down(&mut crew[place]);
    }
    pool.end_blocking();
    pool.give_and_wake(3);
    crew[2].is_up();
    assert!(matches!(pool.runs(&mut crew[2]), (3, Step::Nothing)));
    pool.give_and_wake(4);
    crew[1].is_up();
    pool.exits(&mut crew[1]);
    assert_eq!(pool.runs(&mut crew[2]).0, 4);
}

#[test]
fn an_idle_worker_is_woken_for_a_blocked_one() {
    let pool = ThreadPool::new(limits_with_overflow(2, 1));
    let mut crew = pool.idle_crew(2);
    pool.give_and_wake(1);
    crew[1].is_up();
    pool.runs(&mut crew[1]);
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
    pool.give_and_wake(2);
}

#[test]
fn a_wait_that_can_never_end_is_named() {
    let pool = ThreadPool::new(limits_with_overflow(1, 0));
    pool.busy_crew(1);
    pool.submit(needed(1, 77), 0, true).unwrap();
    let step = pool.begin_blocking();
    assert!(matches!(step, Step::Deadlock(77)), "{step:?}");
    pool.end_blocking();
    assert_eq!(pool.counts().blocked, 0);
}

#[test]
fn a_job_given_to_a_pool_that_is_all_blocked_names_its_wait() {
    let pool = ThreadPool::new(limits_with_overflow(1, 0));
    pool.busy_crew(1);
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
    assert!(matches!(pool.give(1), Step::Nothing), "nobody blocked needs it");
    let step = pool.submit(needed(2, 5), 0, true).unwrap();
    assert!(matches!(step, Step::Deadlock(5)), "{step:?}");
    assert_eq!(pool.counts().saturated, 2);
}

#[test]
fn a_stale_job_holds_nobody_up() {
    let pool = ThreadPool::new(limits_with_overflow(1, 0));
    pool.busy_crew(1);
    let job = needed(1, 77);
    job.cancel();
    pool.submit(job, 0, true).unwrap();
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
}

#[test]
fn a_worker_that_is_not_blocked_will_come() {
    let pool = ThreadPool::new(limits_with_overflow(2, 0));
    pool.busy_crew(2);
    pool.submit(needed(1, 77), 0, true).unwrap();
    assert!(matches!(pool.begin_blocking(), Step::Nothing));
    assert!(matches!(pool.begin_blocking(), Step::Deadlock(77)));
}

#[test]
fn without_a_thread_to_stand_in_a_needed_job_has_nobody() {
    let pool = ThreadPool::new(limits_with_overflow(1, 1));
    pool.busy_crew(1);
    pool.give(1);
    assert!(matches!(pool.begin_blocking(), Step::Start));
    assert!(!pool.start_failed(), "the wait may end by itself");
    assert!(matches!(pool.submit(needed(2, 8), 0, true).unwrap(), Step::Start));
    assert!(pool.start_failed());
    assert_eq!((pool.counts().workers, pool.starting()), (1, 0));
}

#[test]
fn a_worker_that_gives_up_among_blocked_ones_is_replaced() {
    let pool = ThreadPool::new(limits_with_overflow(1, 1));
    pool.busy_crew(1);
    pool.submit(needed(1, 77), 0, true).unwrap();
    assert!(matches!(pool.begin_blocking(), Step::Start));
    let stand_in = pool.enter();
    assert!(matches!(pool.abandon(stand_in), Step::Start));
    let mut other = pool.enter();
    assert_eq!(pool.runs(&mut other).0, 1);
}
