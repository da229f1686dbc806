//! Finding jobs, counting errors, draining.

use crate::client::{curl, curl_post};
use crate::world::World;
use serde_json::{Value, json};
use std::slice::from_ref;
use std::time::Duration;
use steadfast_core::queues::{ORDERS, REPLIES, WEBHOOKS};
use steadfast_queue::backend::{Enqueued, Extend};
use steadfast_queue::note::{Note, Progress};
use steadfast_queue::{Backend, GroupKey, NewJob, Unique};

fn ids(list: &Value) -> Vec<String> {
    let jobs = list["jobs"].as_array().expect("jobs").iter();
    jobs.map(|job| job["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn jobs_are_found_by_whatever_is_known_of_them() {
    let world = World::new().await;
    let special = NewJob {
        group: Some(GroupKey([7; 16])),
        unique: Some(Unique { key: b"AC1/SM1".to_vec(), window_ms: 3_600_000 }),
        ..NewJob::new(WEBHOOKS, "special", "{}")
    };
    let answers = world.queue.enqueue(vec![special]).await.expect("stored");
    let Enqueued::New(special) = answers[0] else { panic!("{answers:?}") };
    let special = special.to_string();
    world.clock.advance(Duration::from_secs(60));
    let others = world.enqueue(ORDERS, &["1", "2"]).await;
    let dead = world.bury(REPLIES, "boom", &["3"]).await[0].to_string();
    let found = async |query: &str| {
        let answer = curl(world.addr, &format!("/jobs?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        ids(&answer.json())
    };
    for query in [
        "kind=special".to_owned(),
        "queue=whatsapp-webhooks&unique=AC1%2FSM1".to_owned(),
        format!("group={}", "07".repeat(16)),
        format!("id={special}"),
        "enqueued_until=2026-01-31T09:06:00Z".to_owned(),
    ] {
        assert_eq!(found(&query).await, from_ref(&special), "{query}");
    }
    assert_eq!(found("error=boom").await, from_ref(&dead));
    assert_eq!(found("finished_since=2026-01-31").await, from_ref(&dead));
    assert_eq!(found("state=dead,running").await, from_ref(&dead));
    assert_eq!(found(&format!("id={},{dead}", others[0])).await, [dead.clone(), others[0].to_string()]);
    assert_eq!(found("queue=order-processing&enqueued_since=2026-02-01").await, [""; 0]);
    let page = curl(world.addr, "/jobs?limit=3").await.json();
    let cursor = page["next_cursor"].as_str().expect("a next page");
    assert_eq!(ids(&curl(world.addr, &format!("/jobs?limit=3&cursor={cursor}")).await.json()), [special]);
    for query in [
        "unique=AC1",
        "id=x",
        "state=odd",
        "group=7",
        "enqueued_since=yesterday",
        "limit=201",
        "quue=x",
        "queue=whatsapp-webhooks&unique=k&id=00000000000000000000000000000000",
    ] {
        let answer = curl(world.addr, &format!("/jobs?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        answer.error();
    }
    let dlq = curl(world.addr, "/dlq?finished_since=2026-01-31&kind=inbound-message").await.json();
    assert_eq!((&dlq["total"], ids(&dlq)), (&json!(1), vec![dead]));
    assert_eq!(curl(world.addr, "/dlq?finished_since=2026-02-01").await.json()["total"], 0);
    assert_eq!(curl(world.addr, "/dlq?state=dead").await.status, 400);
    world.close().await;
}

#[tokio::test]
async fn errors_are_counted_by_queue_and_word() {
    let world = World::new().await;
    world.bury(WEBHOOKS, "boom", &["1", "2"]).await;
    world.bury(REPLIES, "boom", &["3"]).await;
    world.bury(WEBHOOKS, "bang", &["4"]).await;
    let all = curl(world.addr, "/dlq/errors").await.json();
    assert_eq!((&all["total"], &all["groups_total"]), (&json!(4), &json!(3)));
    let first = json!({"queue": WEBHOOKS, "error": "boom", "count": 2, "first_at": "2026-01-31T09:05:03.252Z",
        "last_at": "2026-01-31T09:05:03.252Z"});
    assert_eq!(all["groups"][0], first);
    let one = curl(world.addr, "/dlq/errors?queue=whatsapp-webhooks&limit=1").await.json();
    assert_eq!(
        (&one["total"], &one["groups_total"], one["groups"].as_array().map(Vec::len)),
        (&json!(3), &json!(2), Some(1))
    );
    let boom = curl(world.addr, "/dlq?error=boom").await.json();
    assert_eq!(
        (&boom["total"], &boom["grouped"], &boom["grouped_all"]),
        (&json!(3), &json!(3), &json!(true))
    );
    assert_eq!(boom["groups"][0]["queues"], json!({ WEBHOOKS: 2, REPLIES: 1 }));
    assert_eq!(boom["groups"][0]["example"], boom["jobs"][0]["id"]);
    // Words that may have been cut are counted by looking.
    let long = "é".repeat(40);
    world.bury(ORDERS, &long, &["5"]).await;
    let all = curl(world.addr, "/dlq").await.json();
    assert_eq!((&all["grouped"], &all["groups"][2]["error"]), (&json!(5), &json!(long)));
    assert_eq!(curl(world.addr, &format!("/dlq?error={}", "%C3%A9".repeat(40))).await.json()["total"], 1);
    assert_eq!(curl(world.addr, "/dlq/errors?queue=odd").await.status, 404);
    // What a retry of all would bring back is counted first.
    let call = r#"{"retryAll": true, "error": "boom", "dryRun": true}"#;
    let counted = curl_post(world.addr, "/dlq/retry", call).await.json();
    assert_eq!((&counted["retried"], &counted["remaining"]), (&json!(0), &json!(3)));
    assert_eq!(curl(world.addr, "/dlq").await.json()["total"], 5, "nothing was done");
    world.close().await;
}

#[tokio::test]
async fn a_draining_queue_says_what_is_left() {
    let world = World::new().await;
    world.enqueue(ORDERS, &["1", "2"]).await;
    let answer = curl_post(world.addr, "/queues/order-processing/drain", "").await;
    let body = answer.json();
    assert_eq!((answer.status, &body["mode"], &body["waiting"]), (200, &json!("draining"), &json!(2)));
    assert_eq!((&body["paused"], &body["changed"]), (&json!(false), &json!(true)));
    assert_eq!(curl(world.addr, "/queues/order-processing").await.json()["mode"], "draining");
    let refused = world.queue.enqueue(vec![NewJob::new(ORDERS, "k", "3")]).await.expect("answers");
    assert!(matches!(refused[0], Enqueued::Rejected(_)), "{refused:?}");
    assert_eq!(world.reserve(ORDERS, 9).await.len(), 2);
    let body = curl_post(world.addr, "/queues/order-processing/resume", "").await.json();
    assert_eq!((&body["mode"], &body["running"]), (&json!("running"), &json!(2)));
    assert_eq!(curl_post(world.addr, "/queues/dead-letter-queue/drain", "").await.status, 409);
    world.close().await;
}

#[tokio::test]
async fn a_job_shows_what_it_said() {
    let world = World::new().await;
    let id = world.enqueue(ORDERS, &["1"]).await[0];
    let held = world.reserve(ORDERS, 1).await.remove(0);
    let note = Note {
        progress: Some(Progress::of(3, 4).saying("nearly")),
        log: vec!["begun".to_owned(), "counted".to_owned()],
    };
    let extend = Extend { lease: held.lease, note: Some(note) };
    world.queue.extend(vec![extend], 30_000).await.expect("extends");
    let job = curl(world.addr, &format!("/jobs/{id}")).await.json();
    assert_eq!((&job["progress"]["done"], &job["progress"]["note"]), (&json!(3), &json!("nearly")));
    assert_eq!((&job["log"][1]["text"], &job["log"][1]["attempt"]), (&json!("counted"), &json!(1)));
    let listed = curl(world.addr, "/jobs").await.json();
    assert_eq!(
        (&listed["jobs"][0]["progress"]["total"], &listed["jobs"][0]["log"]),
        (&json!(4), &Value::Null)
    );
    world.close().await;
}
