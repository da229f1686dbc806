//! The dead letters: seen, grouped, brought back, let go.

use crate::client::{curl, curl_post};
use crate::world::{Fault, World};
use serde_json::{Value, json};
use steadfast_core::queues::{ORDERS, REPLIES, WEBHOOKS};
use steadfast_monitor::MonitorConfig;
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, JobId, NewJob};

fn ids_of(list: &Value) -> Vec<String> {
    list["jobs"]
        .as_array()
        .expect("jobs")
        .iter()
        .map(|job| job["id"].as_str().expect("id").to_owned())
        .collect()
}

fn texts(ids: &[JobId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn listed_grouped_and_filtered() {
    let world = World::new().await;
    let boom = world.bury(WEBHOOKS, "boom", &["a", "b"]).await;
    let twilio = world.bury(REPLIES, "twilio_63016", &["c"]).await;
    let all = curl(world.addr, "/dlq").await.json();
    assert_eq!(all["total"], 3);
    assert_eq!(all["by_queue"], json!({ WEBHOOKS: 2, REPLIES: 1 }));
    assert_eq!((&all["groups"][0]["error"], &all["groups"][0]["count"]), (&json!("boom"), &json!(2)));
    assert_eq!(all["grouped_all"], true);
    let first = &all["jobs"][0];
    assert_eq!(first["id"], twilio[0].to_string());
    assert_eq!(
        (&first["error"], &first["message"]),
        (&json!("twilio_63016"), &json!("it ended with twilio_63016"))
    );
    assert_eq!((&first["attempts"], &first["history"][0]["attempt"]), (&json!(1), &json!(1)));
    assert_eq!(first["died_at"], "2026-01-31T09:05:03.253Z");
    assert_eq!(first["enqueued_at"], "2026-01-31T09:05:03.253Z");

    let by_error = curl(world.addr, "/dlq?error=boom").await.json();
    assert_eq!((by_error["total"].clone(), ids_of(&by_error).len()), (json!(2), 2));
    let by_queue = curl(world.addr, "/dlq?queue=whatsapp-replies").await.json();
    assert_eq!((by_queue["total"].clone(), ids_of(&by_queue)), (json!(1), texts(&twilio)));
    let by_name = curl(world.addr, "/queues/dead-letter-queue").await.json();
    assert_eq!((by_name["name"].clone(), by_name["total"].clone()), (json!("dead-letter-queue"), json!(3)));

    let page = curl(world.addr, "/dlq?limit=2").await.json();
    let cursor = page["next_cursor"].as_str().expect("a next page");
    let rest = curl(world.addr, &format!("/dlq?limit=2&cursor={cursor}")).await.json();
    assert_eq!([ids_of(&page), ids_of(&rest)].concat(), texts(&[twilio[0], boom[1], boom[0]]));
    assert_eq!(rest["next_cursor"], Value::Null);
    world.close().await;
}

#[tokio::test]
async fn what_people_wrote_is_shown_only_when_asked_for_and_bounded() {
    let world = World::new().await;
    let long = "x".repeat(10_000);
    let ids = world.bury(ORDERS, "boom", &[r#"{"body":"meet me at noon"}"#, &long]).await;
    for path in [
        "/dlq",
        "/dlq?payload=0",
        "/queues/order-processing",
        "/queues/dead-letter-queue",
        &format!("/jobs/{}", ids[0]),
    ] {
        let body = curl(world.addr, path).await.body;
        assert!(body.contains(&ids[0].to_string()), "{path}");
        assert!(!body.contains("meet me") && !body.contains("xxxx"), "{path} shows it");
    }
    let shown = curl(world.addr, "/dlq?payload=1").await.json();
    assert_eq!(shown["jobs"][1]["payload"]["value"]["body"], "meet me at noon");
    assert_eq!(shown["jobs"][0]["payload"]["truncated"], true);
    assert_eq!(shown["jobs"][0]["payload"]["value"].as_str().expect("text").len(), 4_096);
    assert_eq!(shown["jobs"][0]["payload_bytes"], 10_000);
    assert_eq!(curl(world.addr, "/dlq?payload=maybe").await.status, 400);
    world.close().await;
}

#[tokio::test]
async fn all_come_back_oldest_first_within_the_bound() {
    let world = World::configured(MonitorConfig { redrive_max: 2, ..MonitorConfig::default() }).await;
    let ids = world.bury(WEBHOOKS, "boom", &["1", "2", "3"]).await;
    let first = curl_post(world.addr, "/dlq/retry", r#"{"retryAll": true}"#).await.json();
    assert_eq!(
        (&first["retried"], &first["remaining"], &first["more"]),
        (&json!(2), &json!(1), &json!(true))
    );
    assert!(first["note"].as_str().expect("a note").contains("call again"));
    let second = curl_post(world.addr, "/dlq/retry", r#"{"retryAll": true}"#).await.json();
    assert_eq!(
        (&second["retried"], &second["remaining"], &second["more"]),
        (&json!(1), &json!(0), &json!(false))
    );
    let runs: Vec<_> = world.reserve(WEBHOOKS, 10).await.iter().map(|held| held.job.id).collect();
    assert_eq!(runs, ids);
    world.close().await;
}

#[tokio::test]
async fn none_is_overlooked_where_pages_come_thin() {
    let world = World::new().await;
    let ids = world.bury(WEBHOOKS, "boom", &["1", "2", "3"]).await;
    world.fail_queue(Fault::Thin).await;
    let listed = curl(world.addr, "/dlq").await.json();
    assert_eq!((&listed["groups"][0]["count"], &listed["grouped_all"]), (&json!(3), &json!(true)));
    let answer = curl_post(world.addr, "/dlq/retry", r#"{"retryAll": true}"#).await.json();
    assert_eq!((&answer["retried"], &answer["remaining"]), (&json!(3), &json!(0)));
    let runs: Vec<_> = world.reserve(WEBHOOKS, 10).await.iter().map(|held| held.job.id).collect();
    assert_eq!(runs, ids);
    world.close().await;
}

#[tokio::test]
async fn all_of_a_queue_or_error_alone() {
    let world = World::new().await;
    world.bury(WEBHOOKS, "boom", &["1"]).await;
    world.bury(WEBHOOKS, "bang", &["2"]).await;
    world.bury(REPLIES, "boom", &["3"]).await;
    let call = r#"{"retryAll": true, "queue": "whatsapp-webhooks", "error": "boom"}"#;
    assert_eq!(curl_post(world.addr, "/dlq/retry", call).await.json()["retried"], 1);
    let call = r#"{"retryAll": true, "queue": "dead-letter-queue"}"#;
    assert_eq!(curl_post(world.addr, "/dlq/retry", call).await.json()["retried"], 2);
    let call = r#"{"retryAll": true, "queue": "no-such-queue"}"#;
    assert_eq!(curl_post(world.addr, "/dlq/retry", call).await.status, 404);
    world.close().await;
}

#[tokio::test]
async fn named_ones_come_back_in_the_order_in_which_they_came() {
    let world = World::new().await;
    let ids = world.bury(WEBHOOKS, "boom", &["1", "2", "3"]).await;
    // As /dlq lists them: newest first, and one twice.
    let call = json!({ "jobIds": [ids[2], ids[1], ids[0], ids[2]] }).to_string();
    let answer = curl_post(world.addr, "/dlq/retry", &call).await.json();
    assert_eq!((&answer["retried"], answer["results"].as_array().map(Vec::len)), (&json!(3), Some(3)));
    let runs: Vec<_> = world.reserve(WEBHOOKS, 10).await.iter().map(|held| held.job.id).collect();
    assert_eq!(runs, ids);
    world.close().await;
}

#[tokio::test]
async fn also_those_of_one_millisecond_as_the_listing_names_them() {
    let world = World::new().await;
    let jobs = ["1", "2", "3"].map(|payload| NewJob::new(WEBHOOKS, "inbound-message", payload)).to_vec();
    world.queue.enqueue(jobs).await.expect("stored");
    let verdict = Verdict::Dead { failure: Failure::new("boom", "") };
    assert_eq!(world.settle_all(WEBHOOKS, &verdict).await, 3);
    let listed = ids_of(&curl(world.addr, "/dlq").await.json());
    let answer = curl_post(world.addr, "/dlq/retry", &json!({ "jobIds": listed }).to_string()).await.json();
    assert_eq!(answer["retried"], 3);
    let runs: Vec<_> =
        world.reserve(WEBHOOKS, 10).await.iter().map(|held| held.job.payload.clone()).collect();
    assert_eq!(runs, ["1", "2", "3"]);
    world.close().await;
}

#[tokio::test]
async fn discarding_takes_the_dead_alone_and_tells_of_each() {
    let world = World::new().await;
    let dead = world.bury(WEBHOOKS, "boom", &["1", "2"]).await;
    let alive = world.enqueue(WEBHOOKS, &["3"]).await;
    let never = JobId::fresh();
    let call = json!({ "jobIds": [dead[0], alive[0], never] }).to_string();
    let answer = curl_post(world.addr, "/dlq/discard", &call).await.json();
    assert_eq!(answer["discarded"], 1);
    let outcomes: Vec<_> =
        answer["results"].as_array().expect("results").iter().map(|fate| &fate["outcome"]).collect();
    assert_eq!(outcomes, ["discarded", "not_dead", "unknown"]);
    assert_eq!(answer["results"][1]["state"], "available");
    assert_eq!(
        (&answer["remaining"], &answer["skipped"], &answer["unknown"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(curl(world.addr, "/dlq").await.json()["total"], 1);
    assert_eq!(world.settle_all(WEBHOOKS, &Verdict::Complete).await, 1);
    world.close().await;
}

#[tokio::test]
async fn unclear_calls_are_refused_and_change_nothing() {
    let world = World::new().await;
    let ids = world.bury(WEBHOOKS, "boom", &["1"]).await;
    let many: Vec<_> = (0..1_001).map(|_| JobId::fresh().to_string()).collect();
    for call in [
        "",
        "{}",
        "[]",
        r#"{"jobIds": []}"#,
        r#"{"jobIds": "all"}"#,
        &json!({ "jobIds": [ids[0]], "retryAll": true }).to_string(),
        &json!({ "jobIds": [ids[0]], "queue": WEBHOOKS }).to_string(),
        &json!({ "jobIds": many }).to_string(),
        r#"{"retryAll": true, "limit": 0}"#,
        r#"{"retryAll": true, "limit": 1001}"#,
        r#"{"retry_everything": true}"#,
        r#"{"retryAll": true"#,
    ] {
        let answer = curl_post(world.addr, "/dlq/retry", call).await;
        assert_eq!(answer.status, 400, "{call} -> {answer:?}");
        let (what, why, todo) = answer.error();
        assert!(!what.is_empty() && !why.is_empty() && !todo.is_empty(), "{call}");
    }
    assert_eq!(curl(world.addr, "/dlq").await.json()["total"], 1);
    world.close().await;
}
