//! Calls made through the breaker.

use super::*;
use std::convert::Infallible;
use std::future::pending;
use std::io;

fn transport(result: &Result<u8, io::Error>) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Verdict::Ignore,
        Err(_) => Verdict::Failure,
    }
}

#[tokio::test(start_paused = true)]
async fn results_pass_through_and_are_judged_with_their_time() {
    let rig = Rig::new();
    assert_eq!(rig.breaker.execute(|| async { Ok(7) }, transport).await.expect("it worked"), 7);
    let slow = || async {
        tokio::time::sleep(ms(60)).await;
        Ok(8)
    };
    rig.breaker.execute(slow, transport).await.expect("it worked");
    for kind in [io::ErrorKind::InvalidInput, io::ErrorKind::ConnectionReset] {
        let failed = rig.breaker.execute(|| async move { Err(io::Error::from(kind)) }, transport).await;
        assert!(matches!(failed, Err(ExecuteError::Failed(error)) if error.kind() == kind));
    }
    let snapshot = rig.breaker.snapshot();
    assert_eq!((snapshot.calls, snapshot.failed, snapshot.slow), (3, 1, 1));
}

#[tokio::test]
async fn an_open_breaker_does_not_even_begin_the_call() {
    let rig = Rig::new();
    rig.breaker.trip(Evidence::DeadSocket);
    let refused = rig.breaker.execute(|| async { panic!("begun") }, transport).await.expect_err("open");
    assert!(matches!(refused, ExecuteError::Rejected(rejected) if rejected.state == State::Open));
    assert!(refused.to_string().starts_with("the circuit is open"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_trial_returns_its_permit() {
    let rig = Rig::new();
    rig.half_open();
    for _ in 0..100 {
        let call = rig.breaker.execute(pending::<Result<(), Infallible>>, |_| Verdict::Failure);
        assert!(tokio::time::timeout(ms(1), call).await.is_err());
    }
    let view = rig.breaker.snapshot().half_open.expect("still half-open");
    assert_eq!((view.width, view.in_flight), (1, 0));
}

#[tokio::test]
async fn a_call_that_panics_returns_its_permit() {
    let rig = Rig::new();
    rig.half_open();
    let breaker = rig.breaker.clone();
    let tasks = tokio_util::task::TaskTracker::new();
    let call = async move { breaker.execute(|| async { panic!("on purpose") }, transport).await };
    assert!(tasks.spawn(call).await.expect_err("it panicked").is_panic());
    assert_eq!(rig.breaker.snapshot().half_open.expect("half-open").in_flight, 0);
}

#[test]
fn futures_can_be_sent_to_other_threads() {
    fn sent(_: &impl Send) {}
    let rig = Rig::new();
    sent(&rig.breaker.execute(|| async { Ok(1) }, transport));
    sent(&rig.permit());
    sent(&rig.breaker.on_state_change(|_| ()));
}
