//! Enqueues and their refusals.

use super::jobs::{Mail, Order, mail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_queue::backend::rules::{Limits, Retention};
use steadfast_queue::backend::{BATCH_MAX, MemoryBackend};
use steadfast_queue::typed::{Draft, JobType, PushError, Queue};
use steadfast_queue::{GroupKey, Priority, State};

#[tokio::test]
async fn options_reach_the_job() {
    let queue = Queue::in_memory();
    let first = queue
        .push(mail("ada"))
        .unique("delivery-17")
        .group("customer-7")
        .priority(Priority::Low)
        .delay(Duration::from_secs(60))
        .timeout(Duration::from_secs(2))
        .ttl(Duration::from_secs(120))
        .correlation("c-1")
        .metadata("source", "test")
        .await
        .expect("pushed");
    assert!(!first.duplicate);
    let again = queue.push(mail("bob")).unique("delivery-17").await.expect("known");
    assert_eq!((again.id, again.duplicate), (first.id, true));
    let job = queue.get(first.id).await.expect("reads").expect("is there");
    assert_eq!((job.queue.as_str(), job.kind.as_str(), job.state), ("mail", "send-mail", State::Scheduled));
    assert_eq!((job.priority, job.group), (Priority::Low, Some(GroupKey::of("customer-7"))));
    assert_eq!((job.timeout_ms, job.run_at_ms - job.enqueued_ms), (2_000, 60_000));
    assert_eq!(job.expires_ms, Some(job.enqueued_ms + 120_000));
    assert_eq!((job.correlation_id.as_str(), job.metadata["source"].as_str()), ("c-1", "test"));
    assert_eq!(Mail::decode(&job.payload), Ok(mail("ada")));
}

#[derive(Serialize, Deserialize)]
struct Unfit(BTreeMap<Vec<u8>, u8>);

impl JobType for Unfit {
    const KIND: &'static str = "unfit";
}

#[derive(Serialize, Deserialize)]
struct Nameless;

impl JobType for Nameless {
    const KIND: &'static str = "";
}

#[tokio::test]
async fn a_refusal_says_what_and_what_to_do() {
    let limits = Limits { waiting_max: 1, ..Limits::default() };
    let clock = SystemClock::shared();
    let queue = Queue::new(MemoryBackend::with(clock.clone(), limits, Retention::default()), clock);
    queue.push(mail("ada")).await.expect("there is room");
    let full = queue.push(mail("bob")).await.expect_err("full");
    assert!(matches!(full, PushError::Full { .. }) && full.is_transient());
    assert_eq!(
        full.to_string(),
        "queue \"mail\" takes no more jobs: slow down and try again later, add workers, or raise its limits"
    );
    assert_eq!(full.source().expect("a cause").to_string(), "the queue is full: 1 jobs wait, 1 may");
    let large = queue.push(mail(&"x".repeat(1 << 20))).await.expect_err("too large");
    assert!(matches!(large, PushError::TooLarge { .. }) && !large.is_transient());
    let unfit = queue.push(Unfit(BTreeMap::from([(vec![1], 1)]))).await.expect_err("unfit");
    assert!(matches!(unfit, PushError::Encode { .. }), "{unfit:?}");
    let nameless = queue.push(Nameless).await.expect_err("nameless");
    assert!(matches!(nameless, PushError::BadName { .. }), "{nameless:?}");
}

#[tokio::test]
async fn a_closed_store_says_that_it_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = Queue::open(folder.path().join("jobs.db")).expect("opens");
    queue.push(mail("ada")).await.expect("pushed");
    queue.close().await.expect("closes");
    assert!(matches!(queue.push(mail("bob")).await, Err(PushError::Closed)));
}

#[tokio::test]
async fn many_are_answered_each_in_order_whatever_becomes_of_the_others() {
    let queue = Queue::in_memory();
    let count = BATCH_MAX * 2 + 5;
    let drafts = (0..count).map(|number| match number {
        1_500 => Draft::of(&Unfit(BTreeMap::from([(vec![1], 1)]))),
        1_600 => Draft::of(&Order { id: 7 }).unique("the same"),
        1_601 => Draft::of(&Order { id: 8 }).unique("the same"),
        _ => Draft::of(&mail(&number.to_string())),
    });
    let answers = queue.push_all(drafts).await;
    assert_eq!(answers.len(), count);
    let failed: Vec<_> = (0..count).filter(|&place| answers[place].is_err()).collect();
    assert_eq!(failed, [1_500]);
    let id = |place: usize| answers[place].as_ref().expect("pushed").id;
    assert!(answers[1_601].as_ref().expect("known").duplicate);
    assert_eq!(id(1_600), id(1_601));
    for place in [0, 1_499, 1_501, count - 1] {
        let job = queue.get(id(place)).await.expect("reads").expect("is there");
        assert_eq!(Mail::decode(&job.payload), Ok(mail(&place.to_string())));
    }
}
