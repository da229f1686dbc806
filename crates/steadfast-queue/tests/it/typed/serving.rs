//! Workers and housekeeping over a durable store, started and stopped as one.

use super::jobs::{Log, Mail, Order, mail};
use std::time::Duration;
use steadfast_queue::State;
use steadfast_queue::typed::{Follow, JobError, Queue, Router, RouterError, State as Part};
use tokio_util::sync::CancellationToken;

async fn order(order: Order) -> Follow {
    Follow::one(mail(&format!("order {}", order.id)))
}

async fn send(mail: Mail, Part(log): Part<Log>) -> Result<(), JobError> {
    log.note(mail.to);
    Ok(())
}

#[tokio::test]
async fn everything_runs_until_the_signal_and_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, path) = (Log::default(), folder.path().join("jobs.db"));
    let router = || Router::new().handle(order).handle(send).concurrency("orders", 3).with_state(log.clone());
    let queue = Queue::open(&path).expect("opens");
    queue.push(Order { id: 1 }).await.expect("pushed");
    let late = queue.push(mail("late")).delay(Duration::from_millis(30)).await.expect("pushed").id;
    let done = async {
        while queue.state(late).await.expect("reads") != Some(State::Completed) || log.lines().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    queue.serve(router(), done).await.expect("sound");
    let kept = queue.push(Order { id: 2 }).await.expect("pushed: only the workers have stopped").id;
    queue.close().await.expect("closes");

    let queue = Queue::open(&path).expect("opens again");
    let done = async {
        while log.lines().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    queue.serve(router(), done).await.expect("sound");
    assert_eq!(queue.state(kept).await.expect("reads"), Some(State::Completed));
    let mut lines = log.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["late", "order 1", "order 2"]);
    queue.close().await.expect("closes");
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_running_jobs_end_and_an_abort_gives_them_back() {
    let queue = Queue::in_memory();
    let begun = CancellationToken::new();
    let slow = |end: CancellationToken| {
        move |_: Mail, Part(begun): Part<CancellationToken>| {
            let end = end.clone();
            async move {
                begun.cancel();
                end.cancelled().await;
            }
        }
    };
    let end = CancellationToken::new();
    let id = queue.push(mail("slow")).await.expect("pushed").id;
    let running =
        queue.start(Router::new().handle(slow(end.clone())).with_state(begun.clone())).expect("sound");
    begun.cancelled().await;
    assert_eq!(running.workers().len(), 1);
    running.stop();
    end.cancel();
    running.ended().await;
    assert_eq!(queue.state(id).await.expect("reads"), Some(State::Completed));

    let begun = CancellationToken::new();
    let id = queue.push(mail("slower")).await.expect("pushed").id;
    let running = queue
        .start(Router::new().handle(slow(CancellationToken::new())).with_state(begun.clone()))
        .expect("sound");
    begun.cancelled().await;
    running.abort();
    running.ended().await;
    let job = queue.get(id).await.expect("reads").expect("is there");
    assert_eq!((job.state, job.attempt), (State::Available, 0));
}

#[tokio::test]
async fn a_router_that_cannot_run_starts_nothing() {
    let queue = Queue::in_memory();
    assert_eq!(queue.start(Router::new()).map(drop), Err(RouterError::Empty));
}
