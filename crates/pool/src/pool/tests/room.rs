//! The queue: its order, its bound, and those who wait for room in it.

use super::*;

fn bounded(max_queue: usize) -> ThreadPool<Work> {
    ThreadPool::new(Limits { max_queue: Some(max_queue), ..limits(1) })
}

/// A pool whose only worker is busy and whose queue is full.
fn full(max_queue: u32) -> (ThreadPool<Work>, Worker) {
    let pool = bounded(max_queue as usize);
    let mut worker = pool.start(0);
    pool.runs(&mut worker);
    for number in 1..=max_queue {
        assert!(matches!(pool.give(number), Step::Nothing));
    }
    (pool, worker)
}

#[test]
fn jobs_are_taken_by_priority() {
    let pool = ThreadPool::new(limits(1));
    let mut worker = pool.start(0);
    for (number, priority) in [(1, -1), (2, 0), (3, 7), (4, 7), (5, 0)] {
        pool.submit(work(number), priority, true).unwrap();
    }
    let order: Vec<_> = (0..6).map(|_| pool.runs(&mut worker).0).collect();
    assert_eq!(order, [3, 4, 0, 2, 5, 1]);
}

#[test]
fn a_full_queue_gives_the_job_back_unless_the_bound_is_waived() {
    let (pool, _worker) = full(2);
    let refused = pool.submit(work(3), 0, true);
    assert!(matches!(refused, Err(Refused::Full(Work { number: 3, .. }))), "{refused:?}");
    assert!(pool.submit(work(4), 0, false).is_ok());
    let counts = pool.counts();
    assert_eq!((counts.queued, counts.submitted), (3, 4), "what was refused does not count");
}

#[test]
fn who_waits_for_room_is_woken_in_turn() {
    let (pool, mut worker) = full(2);
    let ((first, one), (second, other)) = (bell(), bell());
    assert!(pool.wait_for_room(&one));
    assert!(pool.wait_for_room(&other));
    pool.runs(&mut worker);
    assert_eq!((first.rung(), second.rung()), (1, 0));
    pool.runs(&mut worker);
    assert_eq!((first.rung(), second.rung()), (1, 1));
    assert!(!pool.wait_for_room(&one), "there is room");
}

#[test]
fn taking_a_job_elsewhere_makes_room_too() {
    let (pool, _worker) = full(1);
    let (bell, waker) = bell();
    assert!(pool.wait_for_room(&waker));
    let mut leavings = Leavings::default();
    assert!(pool.take_one(&mut leavings).is_some());
    assert_eq!(bell.rung(), 0, "outside of the lock");
    leavings.clear();
    assert_eq!(bell.rung(), 1);
}

#[test]
fn jobs_that_nobody_needs_are_skipped_and_leave_room() {
    let pool = bounded(3);
    let mut worker = pool.start(0);
    pool.runs(&mut worker);
    for number in 1..=3 {
        let job = work(number);
        if number < 3 {
            job.cancel();
        }
        pool.submit(job, 0, true).unwrap();
    }
    let bells: Vec<_> = (0..4).map(|_| bell()).collect();
    for (_, waker) in &bells {
        assert!(pool.wait_for_room(waker));
    }
    let mut leavings = Leavings::default();
    let next = pool.next(&mut worker, &mut leavings);
    assert!(matches!(next, Next::Run(Work { number: 3, .. }, Step::Nothing)), "{next:?}");
    assert_eq!((leavings.stale.len(), leavings.room.len()), (2, 3));
    leavings.clear();
    assert_eq!(bells.iter().map(|(bell, _)| bell.rung()).collect::<Vec<_>>(), [1, 1, 1, 0]);
}

#[test]
fn a_queue_of_nothing_but_stale_jobs_lets_the_worker_lie_down() {
    let (pool, mut worker) = full(2);
    pool.for_each(Work::cancel);
    let (bell, waker) = bell();
    assert!(pool.wait_for_room(&waker));
    pool.lies_down(&mut worker);
    assert_eq!((bell.rung(), pool.queued()), (1, 0));
}

#[test]
fn withdrawing_stale_jobs_wakes_one_for_each() {
    let (pool, _worker) = full(3);
    let bells: Vec<_> = (0..3).map(|_| bell()).collect();
    for (_, waker) in &bells {
        assert!(pool.wait_for_room(waker));
    }
    pool.for_each(|job| {
        if job.number != 2 {
            job.cancel();
        }
    });
    let mut leavings = pool.withdraw_stale();
    assert_eq!(leavings.stale.iter().map(|job| job.number).collect::<Vec<_>>(), [1, 3]);
    leavings.clear();
    assert_eq!(bells.iter().map(|(bell, _)| bell.rung()).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(pool.queued(), 1);
}

#[test]
fn who_waits_no_longer_passes_a_wake_up_on() {
    let (pool, mut worker) = full(2);
    let ((_, one), (second, other)) = (bell(), bell());
    assert!(pool.wait_for_room(&one));
    assert!(pool.stop_waiting_for_room(&one), "it was not woken");
    assert!(pool.wait_for_room(&one));
    assert!(pool.wait_for_room(&other));
    pool.runs(&mut worker);
    assert!(!pool.stop_waiting_for_room(&one), "its wake-up was given");
    pool.take_waiting_for_room().unwrap().wake();
    assert_eq!(second.rung(), 1);
    assert!(pool.take_waiting_for_room().is_none());
}

#[test]
fn an_emptied_queue_and_a_closed_pool_leave_nobody_waiting_for_room() {
    let (pool, _worker) = full(2);
    let ((first, one), (second, other)) = (bell(), bell());
    assert!(pool.wait_for_room(&one));
    assert_eq!(pool.drain().len(), 2);
    assert_eq!(first.rung(), 1);
    for number in 3..5 {
        pool.give(number);
    }
    assert!(pool.wait_for_room(&other));
    let (wake, _) = pool.close();
    wake.into_iter().for_each(Waker::wake);
    assert_eq!(second.rung(), 1);
    assert!(!pool.wait_for_room(&other), "there will be no room any more");
}
