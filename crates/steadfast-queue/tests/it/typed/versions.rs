//! Payloads written by older and newer code, and by nobody.

use super::jobs::{Log, Mail, mail, test};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use steadfast_queue::testing::TestQueue;
use steadfast_queue::typed::{CodecError, Context, JobType, Router, State as Part};
use steadfast_queue::{NewJob, State};

/// Version 1 had `to` alone and version 0 was the address itself.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    to: Vec<String>,
    #[serde(default)]
    copies: u8,
}

impl JobType for Letter {
    const KIND: &'static str = "letter";
    const QUEUE: &'static str = "mail";
    const VERSION: u8 = 2;

    fn upgrade(version: u8, payload: &[u8]) -> Result<Self, CodecError> {
        match version {
            0 => {
                let to = std::str::from_utf8(payload).map_err(|_| CodecError::new("not UTF-8"))?;
                Ok(Self { to: vec![to.to_owned()], copies: 1 })
            }
            _ => Self::decode(payload),
        }
    }
}

async fn letter(letter: Letter, Part(log): Part<Log>) {
    log.note(format!("{} x{}", letter.to.join("+"), letter.copies));
}

async fn raw(test: &TestQueue, kind: &str, codec: u8, payload: &'static str) -> steadfast_queue::JobId {
    let new = NewJob { codec, ..NewJob::new("mail", kind, payload) };
    let told = test.queue().backend().enqueue(vec![new]).await.expect("enqueues");
    match told[0] {
        steadfast_queue::backend::Enqueued::New(id) => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn older_payloads_are_read() {
    let log = Log::default();
    let test = test(Router::new().handle(letter).with_state(log.clone()));
    raw(&test, "letter", 0, "ada").await;
    raw(&test, "letter", 1, r#"{"to":["ada","bob"]}"#).await;
    test.push(Letter { to: vec!["cyd".into()], copies: 3 }).await.expect("pushed");
    test.run_until_idle().await;
    assert_eq!(log.lines(), ["ada x1", "ada+bob x0", "cyd x3"]);
    test.assert_nothing_died().await;
}

#[tokio::test]
async fn scenario_20_an_unreadable_payload_dies_alone_and_says_why_without_quoting_it() {
    let log = Log::default();
    let test = test(Router::new().handle(letter).with_state(log.clone()));
    let bad = raw(&test, "letter", 2, r#"{"to":"a secret"}"#).await;
    let older = raw(&test, "letter", 1, "no JSON").await;
    let sealed = raw(&test, "letter", 0x82, "whatever").await;
    test.push(Letter { to: vec!["ada".into()], copies: 1 }).await.expect("pushed");
    test.run_until_idle().await;
    assert_eq!(log.lines(), ["ada x1"]);
    for id in [bad, older, sealed] {
        let job = test.job(id).await;
        let last = job.history.last().expect("it failed");
        assert_eq!((job.state, last.error.as_str()), (State::Dead, "corrupt_payload"));
        assert!(!last.message.contains("secret"), "{}", last.message);
    }
}

#[tokio::test]
async fn scenario_28_what_only_a_newer_worker_knows_is_left_to_it_for_an_hour() {
    let log = Log::default();
    let test = test(Router::new().handle(letter).with_state(log.clone()));
    let newer = raw(&test, "letter", 3, "from the future").await;
    let unknown = raw(&test, "telegram", 0, "stop").await;
    test.advance(Duration::from_secs(3_590)).await;
    for id in [newer, unknown] {
        let job = test.job(id).await;
        assert_eq!((job.state, job.attempt, job.history.len()), (State::Scheduled, 0, 0));
    }
    // Enqueued late: it gets its own hour, though this worker has met its like for long.
    let late = raw(&test, "telegram", 0, "stop").await;
    test.advance(Duration::from_secs(60)).await;
    for (id, word) in [(newer, "newer_version"), (unknown, "unknown_kind")] {
        let job = test.job(id).await;
        assert_eq!((job.state, job.history[0].error.as_str()), (State::Dead, word));
    }
    test.assert_state(late, State::Scheduled).await;
    test.advance(Duration::from_secs(3_600)).await;
    test.assert_state(late, State::Dead).await;
}

#[tokio::test]
async fn scenario_28_a_newer_worker_takes_what_an_older_one_put_off() {
    #[derive(Serialize, Deserialize)]
    struct NewMail {
        to: String,
        subject: String,
    }
    impl JobType for NewMail {
        const KIND: &'static str = Mail::KIND;
        const QUEUE: &'static str = Mail::QUEUE;
        const VERSION: u8 = 1;
    }
    let log = Log::default();
    let old = test(Router::new().handle(|_: Mail| async {}));
    let newer = |job: NewMail, Part(log): Part<Log>, _: Context| async move {
        log.note(format!("{} {}", job.to, job.subject))
    };
    let router = Router::new().handle(newer).with_state(log.clone());
    let new = TestQueue::around(old.queue().clone(), old.clock().clone(), router).expect("sound");
    old.push(mail("old")).await.expect("pushed");
    let id = new.push(NewMail { to: "ada".into(), subject: "hi".into() }).await.expect("pushed").id;
    assert_eq!(old.run_until_idle().await, 2, "one done, one put off");
    old.assert_state(id, State::Scheduled).await;
    new.advance(Duration::from_secs(15)).await;
    assert_eq!(log.lines(), ["ada hi"]);
    new.assert_state(id, State::Completed).await;
}
