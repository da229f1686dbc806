//! Those who are told of changes.

use super::*;
use std::sync::{Mutex, mpsc};
use std::thread;

/// Everything told, in order.
fn told(breaker: &CircuitBreaker) -> (Arc<Mutex<Vec<StateChange>>>, Subscription) {
    let log = Arc::new(Mutex::new(vec![]));
    let writer = Arc::clone(&log);
    let subscription =
        breaker.on_state_change(move |change| writer.lock().expect("whole").push(change.clone()));
    (log, subscription)
}

#[test]
fn every_change_is_told_once_in_order_with_its_reason() {
    let rig = Rig::with(BreakerConfig { half_open_full: 1, ..BreakerConfig::default() });
    let (log, subscription) = told(&rig.breaker);
    rig.half_open();
    rig.good();
    rig.breaker.trip(Evidence::ConnectRefused);
    drop(subscription);
    rig.breaker.reset();
    let log = log.lock().expect("whole");
    let seen: Vec<_> =
        log.iter().map(|change| (change.from, change.to, change.alert, change.episode)).collect();
    assert_eq!(
        seen,
        [
            (State::Closed, State::Open, true, 1),
            (State::Open, State::HalfOpen, false, 1),
            (State::HalfOpen, State::Closed, false, 1),
            (State::Closed, State::Open, false, 1),
        ]
    );
    assert!(log.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
    assert_eq!(
        log[3].to_string(),
        "circuit `test` went from closed to open: the connection was refused; open for 500ms unless a probe passes"
    );
}

#[test]
fn a_callback_may_use_the_breaker_and_its_changes_come_after() {
    let rig = Rig::new();
    let again = rig.breaker.clone();
    let spare = Mutex::new(None);
    let _subscription = rig.breaker.on_state_change(move |change| {
        if change.to == State::Open {
            again.reset();
            assert_eq!(again.snapshot().state, State::Closed);
            // Subscribing and unsubscribing from within must not lock up either.
            let mut spare = spare.lock().expect("whole");
            drop(spare.take());
            *spare = Some(again.on_state_change(|_| ()));
        }
    });
    let (log, _kept) = told(&rig.breaker);
    rig.breaker.trip(Evidence::DeadSocket);
    rig.breaker.trip(Evidence::DeadSocket);
    let order: Vec<_> = log.lock().expect("whole").iter().map(|change| change.to).collect();
    assert_eq!(order, [State::Open, State::Closed, State::Open, State::Closed]);
}

#[test]
fn a_callback_that_panics_harms_nobody() {
    let rig = Rig::new();
    rig.breaker.on_state_change(|_| panic!("a bad callback, on purpose")).keep();
    let (log, _kept) = told(&rig.breaker);
    rig.half_open();
    rig.good();
    assert_eq!(log.lock().expect("whole").len(), 2);
    assert_eq!(rig.breaker.snapshot().callback_panics, 2);
    assert_eq!(rig.breaker.subscribe().borrow().to, State::HalfOpen);
}

#[test]
fn a_callback_that_hangs_holds_up_nobody_else() {
    let rig = Rig::new();
    let (entered, is_in) = mpsc::sync_channel(1);
    let (let_go, may_go) = mpsc::sync_channel::<()>(1);
    let may_go = Mutex::new(Some(may_go));
    rig.breaker
        .on_state_change(move |_| {
            let wait = may_go.lock().expect("whole").take();
            if let Some(wait) = wait {
                entered.send(()).expect("awaited");
                wait.recv().expect("let go");
            }
        })
        .keep();
    let (log, _kept) = told(&rig.breaker);
    thread::scope(|scope| {
        scope.spawn(|| rig.breaker.trip(Evidence::DeadSocket));
        is_in.recv().expect("it hangs");
        // Everyone else goes on meanwhile, and more changes happen than may wait.
        for _ in 0..40 {
            rig.breaker.reset();
            rig.breaker.trip(Evidence::DeadSocket);
        }
        assert!(rig.breaker.try_acquire().is_err());
        let_go.send(()).expect("it waits");
    });
    let log = log.lock().expect("whole");
    let snapshot = rig.breaker.snapshot();
    assert_eq!((log.len() as u64, snapshot.changes_dropped), (1 + 64, 80 - 64));
    assert_eq!(log.last().expect("told").epoch, snapshot.epoch, "the newest is never dropped");
    assert!(log.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
}

#[tokio::test]
async fn changes_can_be_awaited() {
    let rig = Rig::new();
    let mut changes = rig.breaker.subscribe();
    assert_eq!(changes.borrow_and_update().reason, Reason::Start);
    let breaker = rig.breaker.clone();
    let (seen, _) = tokio::join!(changes.changed(), async move { breaker.trip(Evidence::DeadSocket) });
    seen.expect("the breaker lives");
    assert_eq!(changes.borrow().to, State::Open);
}

#[test]
fn threads_that_change_it_together_are_told_in_order() {
    let rig = Rig::new();
    let (log, _kept) = told(&rig.breaker);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    rig.breaker.trip(Evidence::DeadSocket);
                    rig.breaker.reset();
                }
            });
        }
    });
    let log = log.lock().expect("whole");
    assert!(log.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
    // What was dropped is counted, what was not dropped was told.
    let dropped = rig.breaker.snapshot().changes_dropped;
    assert!(dropped > 0 || log.windows(2).all(|pair| pair[0].to == pair[1].from));
}
