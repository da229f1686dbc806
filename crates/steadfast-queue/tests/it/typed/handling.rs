//! What handlers take, what they return, and what becomes of their jobs.

use super::jobs::{Log, Mail, Order, mail, test};
use std::time::Duration;
use steadfast_queue::typed::{Context, Draft, Follow, FromContext, FromRef, JobError, Router, State as Part};
use steadfast_queue::{JobId, State};

#[derive(Clone, Debug)]
struct App {
    log: Log,
    name: &'static str,
}

impl FromRef<App> for Log {
    fn from_ref(app: &App) -> Self {
        app.log.clone()
    }
}

impl FromRef<App> for &'static str {
    fn from_ref(app: &App) -> Self {
        app.name
    }
}

/// Only the first attempt has one.
struct FirstOnly;

impl<S> FromContext<S> for FirstOnly {
    fn from_context(context: &Context, _state: &S) -> Result<Self, JobError> {
        if context.attempt() == 1 {
            Ok(Self)
        } else {
            Err(JobError::dead("second_attempt", "once is enough"))
        }
    }
}

#[tokio::test]
async fn a_handler_takes_the_job_the_state_parts_of_it_and_the_context() {
    async fn send(
        mail: Mail,
        Part(app): Part<App>,
        Part(log): Part<Log>,
        Part(name): Part<&'static str>,
        context: Context,
    ) {
        log.note(format!(
            "{} {} {name} attempt {} of {}",
            app.name,
            mail.to,
            context.attempt(),
            context.correlation_id()
        ));
    }
    let log = Log::default();
    let test = test(Router::new().handle(send).with_state(App { log: log.clone(), name: "app" }));
    let id = test.push(mail("ada")).correlation("c-1").await.expect("pushed").id;
    assert_eq!(test.run_until_idle().await, 1);
    assert_eq!(log.lines(), ["app ada app attempt 1 of c-1"]);
    test.assert_state(id, State::Completed).await;
}

#[tokio::test]
async fn an_argument_that_cannot_be_had_ends_the_attempt_as_it_says() {
    async fn send(_: Mail, _: FirstOnly) -> Result<(), JobError> {
        Err(JobError::retry("later", "not yet"))
    }
    let test = test(Router::new().handle(send));
    let id = test.push(mail("ada")).await.expect("pushed").id;
    test.advance(Duration::from_secs(1)).await;
    let job = test.job(id).await;
    let words: Vec<_> = job.history.iter().map(|record| record.error.as_str()).collect();
    assert_eq!((job.state, words), (State::Dead, vec!["later", "second_attempt"]));
}

#[tokio::test]
async fn errors_are_retried_by_the_schedule_and_then_the_job_is_dead() {
    async fn send(mail: Mail, context: Context) -> Result<(), JobError> {
        assert_eq!(context.is_last_attempt(), context.attempt() == 3);
        mail.to.parse::<u8>()?;
        Ok(())
    }
    let test = test(Router::new().handle(send));
    let id = test.push(mail("ada")).await.expect("pushed").id;
    assert_eq!(test.run_until_idle().await, 1);
    test.assert_state(id, State::Retryable).await;
    assert_eq!(test.advance(Duration::from_millis(2_999)).await, 1);
    assert_eq!(test.advance(Duration::from_millis(1)).await, 1);
    let job = test.job(id).await;
    assert_eq!((job.state, job.attempt, job.history.len()), (State::Dead, 3, 3));
    assert_eq!(job.history[0].error, "parse_int_error");
    assert_eq!(job.history[0].message, "invalid digit found in string");
}

#[tokio::test(start_paused = true)]
async fn panics_and_timeouts_are_failed_attempts_and_snoozes_cost_none() {
    async fn send(mail: Mail, context: Context) -> Result<(), JobError> {
        match mail.to.as_str() {
            "panic" => panic!("no such mailbox"),
            "hang" => std::future::pending().await,
            _ if context.job().run_at_ms == context.job().enqueued_ms => {
                Err(JobError::snooze(Duration::from_secs(60)))
            }
            _ => Ok(()),
        }
    }
    let test = test(Router::new().handle(send));
    let mut ids = Vec::new();
    for to in ["panic", "hang", "snooze"] {
        ids.push(test.push(mail(to)).await.expect("pushed").id);
    }
    test.run_until_idle().await;
    let failure = |job: steadfast_queue::Job| job.history.last().map(|record| record.error.clone());
    assert_eq!(failure(test.job(ids[0]).await).as_deref(), Some("panic"));
    assert_eq!(failure(test.job(ids[1]).await).as_deref(), Some("timeout"));
    let snoozed = test.job(ids[2]).await;
    assert_eq!((snoozed.state, snoozed.attempt, snoozed.history.len()), (State::Scheduled, 0, 0));
    test.advance(Duration::from_secs(60)).await;
    test.assert_state(ids[2], State::Completed).await;
}

async fn order(order: Order, context: Context) -> Result<Follow, JobError> {
    context.enqueue_after(Draft::of(&mail("told first")));
    match order.id {
        0 => Err(JobError::dead("no_such_order", "0")),
        1 => Ok(Follow::one(mail("one")).and(Draft::of(&mail("named")).step("notice"))),
        _ => Ok(["a", "b"].map(|to| Draft::of(&mail(to)).step("same")).into_iter().collect()),
    }
}

#[tokio::test]
async fn follow_ups_come_with_the_completion_once_or_not_at_all() {
    let test = test(Router::new().handle(order).handle(|_: Mail| async {}));
    let parent = test.push(Order { id: 1 }).correlation("c-9").await.expect("pushed").id;
    // The handler has run, and its process dies: it runs again, and makes the same jobs.
    assert_eq!(test.crash_next().await, Some(parent));
    assert!(test.pushed::<Mail>().await.is_empty(), "nothing follows what was not stored");
    test.run_until_idle().await;
    let mails = test.jobs::<Mail>().await;
    let to: Vec<_> = test.pushed::<Mail>().await.into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, ["told first", "one", "named"]);
    assert!(mails.iter().all(|job| job.parent == Some(parent) && job.correlation_id == "c-9"));
    assert_eq!(mails[2].id, JobId::of_follow_up(parent, "notice"));

    let failed = test.push(Order { id: 0 }).await.expect("pushed").id;
    test.run_until_idle().await;
    test.assert_state(failed, State::Dead).await;
    assert_eq!(test.jobs::<Mail>().await.len(), 3, "nothing follows a failure");
}

#[tokio::test]
async fn two_follow_ups_of_one_name_are_a_defect_that_is_seen() {
    let test = test(Router::new().handle(order).handle(|_: Mail| async {}));
    let id = test.push(Order { id: 2 }).await.expect("pushed").id;
    test.run_until_idle().await;
    assert_eq!(test.job(id).await.history[0].error, "follow_up_step_twice");
    assert!(test.pushed::<Mail>().await.is_empty());
}
