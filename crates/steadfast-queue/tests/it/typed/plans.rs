//! Jobs by the clock, and jobs that wait for others.

use super::jobs::{Log, Mail, Order, mail, test};
use std::time::Duration;
use steadfast_queue::batch::Awaited;
use steadfast_queue::schedule::Missed;
use steadfast_queue::testing::START_MS;
use steadfast_queue::typed::{Context, Draft, JobError, PlanError, Router, State as Part};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_schedule_fires_at_its_times_until_it_is_removed() {
    async fn send(mail: Mail, Part(log): Part<Log>, context: Context) {
        log.note(format!("{} at {} h", mail.to, (context.job().enqueued_ms - START_MS) / 3_600_000));
    }
    let log = Log::default();
    let test = test(Router::new().handle(send).with_state(log.clone()));
    test.queue()
        .schedule("report", "0 3,15 * * *", mail("report"))
        .missed(Missed::Coalesce)
        .await
        .expect("stored");
    assert_eq!(test.advance(HOUR * 48).await, 4);
    assert_eq!(log.lines(), ["report at 3 h", "report at 15 h", "report at 27 h", "report at 39 h"]);
    assert!(test.queue().unschedule("report").await.expect("writes"));
    assert!(!test.queue().unschedule("report").await.expect("writes"));
    assert_eq!(test.advance(HOUR * 48).await, 0);
}

#[tokio::test]
async fn a_time_that_is_none_is_refused() {
    let test = test(Router::new().handle(|_: Mail| async {}));
    let refused = test.queue().schedule("report", "61 3 * * *", mail("report")).await.expect_err("refused");
    assert!(matches!(refused, PlanError::Queue(_)));
    let refused = test.queue().schedule("report", "0 3 * * *", mail("report")).zone("Europe/Atlantis").await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_callback_runs_once_all_are_over_and_a_repeated_call_changes_nothing() {
    async fn send(mail: Mail) -> Result<(), JobError> {
        if mail.to == "bad" { Err(JobError::dead("bounced", "no such mailbox")) } else { Ok(()) }
    }
    async fn order(_: Order, Part(log): Part<Log>, context: Context) {
        let Some(Awaited { completed, dead, .. }) = context.job().waits_for else {
            return log.note("no batch");
        };
        log.note(format!("{completed} sent, {dead} not"));
    }
    let log = Log::default();
    let test = test(Router::new().handle(send).handle(order).with_state(log.clone()));
    let push = || async {
        let callback = Draft::of(&Order { id: 7 }).unique("campaign-7");
        test.queue().push_batch(callback, ["a", "bad", "c"].map(mail)).await.expect("pushed")
    };
    let first = push().await;
    assert_eq!(test.run_next().await, Some(first.jobs[0].id));
    let again = push().await;
    assert!(again.callback.duplicate && again.jobs.iter().all(|job| job.duplicate));
    assert_eq!(
        again.jobs.iter().map(|job| job.id).collect::<Vec<_>>(),
        first.jobs.iter().map(|job| job.id).collect::<Vec<_>>()
    );
    assert_eq!(log.lines(), [""; 0]);
    test.run_until_idle().await;
    assert_eq!(log.lines(), ["2 sent, 1 not"]);
    assert_eq!(test.pushed::<Mail>().await.len(), 3);

    test.queue().push_batch(Order { id: 8 }, [(); 0].map(|()| mail(""))).await.expect("pushed");
    test.run_until_idle().await;
    assert_eq!(log.lines()[1], "no batch");
}
