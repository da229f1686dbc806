//! Single jobs.

use crate::client::{curl, curl_post};
use crate::world::World;
use serde_json::json;
use steadfast_core::queues::ORDERS;
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, JobId, State};

#[tokio::test]
async fn a_job_is_found_by_its_id_in_either_spelling() {
    let world = World::new().await;
    let id = world.enqueue(ORDERS, &["1"]).await[0].to_string();
    let dashed = format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
    for path in [format!("/jobs/{id}"), format!("/jobs/{dashed}")] {
        let job = curl(world.addr, &path).await.json();
        assert_eq!(
            (&job["id"], &job["state"], &job["queue"]),
            (&json!(id), &json!("available"), &json!(ORDERS))
        );
    }
    assert_eq!(curl(world.addr, &format!("/jobs/{}", JobId::fresh())).await.status, 404);
    assert_eq!(curl(world.addr, "/jobs/job1").await.status, 400);
    world.close().await;
}

#[tokio::test]
async fn retry_cancel_discard_where_they_apply() {
    let world = World::new().await;
    let dead = world.bury(ORDERS, "boom", &["1"]).await[0];
    let answer = curl_post(world.addr, &format!("/jobs/{dead}/retry"), "").await;
    assert_eq!((&answer.json()["before"], &answer.json()["state"]), (&json!("dead"), &json!("available")));
    assert_eq!(curl_post(world.addr, &format!("/jobs/{dead}/retry"), "").await.status, 409);
    assert_eq!(curl_post(world.addr, &format!("/jobs/{dead}/discard"), "").await.status, 409);
    let answer = curl_post(world.addr, &format!("/jobs/{dead}/cancel"), "").await;
    assert_eq!(answer.json()["state"], "cancelled");
    let answer = curl_post(world.addr, &format!("/jobs/{dead}/discard"), "").await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!(null)));
    assert_eq!(curl_post(world.addr, &format!("/jobs/{dead}/retry"), "").await.status, 404);
    let (what, why, todo) = curl_post(world.addr, "/jobs/xyz/retry", "").await.error();
    assert!(what.contains("no job id") && why.contains("32 hex digits") && todo.contains("/dlq"));
    world.close().await;
}

#[tokio::test]
async fn a_running_job_is_told_to_stop() {
    let world = World::new().await;
    let id = world.enqueue(ORDERS, &["1"]).await[0];
    let held = world.reserve(ORDERS, 1).await;
    let answer = curl_post(world.addr, &format!("/jobs/{id}/cancel"), "").await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("running")));
    assert!(answer.json()["note"].as_str().expect("a note").contains("heartbeat"));
    let told = world.queue.extend(vec![held[0].lease.into()], 30_000).await.expect("extended");
    assert_eq!(told, [steadfast_queue::backend::Extended::Held { cancel: true }]);
    let settle = steadfast_queue::backend::Settle {
        lease: held[0].lease,
        verdict: Verdict::Complete,
        follow_ups: vec![],
        note: None,
    };
    world.queue.settle(vec![settle]).await.expect("settled");
    assert!(world.queue.status(vec![id]).await.expect("status")[0].state.is_none_or(State::is_final));
    world.close().await;
}
