//! Jobs that come by the clock, seen and changed.

use crate::client::{curl, curl_post};
use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;
use steadfast_core::queues::ORDERS;
use steadfast_queue::Backend;
use steadfast_queue::backend::Sweep;

#[tokio::test]
async fn put_listed_fired_and_removed() {
    let world = World::new().await;
    let call = r#"{"cron": "0 * * * *", "zone": "Asia/Kathmandu", "missed": "coalesce", "queue": "order-processing",
        "kind": "report", "payload": {"what": "sales"}}"#;
    let answer = curl_post(world.addr, "/schedules/hourly", call).await;
    assert_eq!((answer.status, &answer.json()["changed"]), (200, &json!(true)), "{answer:?}");
    // 09:05 in UTC is 14:50 there.
    assert_eq!(answer.json()["schedule"]["next_at"], "2026-01-31T09:15:00.000Z");
    assert_eq!(curl_post(world.addr, "/schedules/hourly", call).await.json()["changed"], false);
    let listed = curl(world.addr, "/schedules").await.json();
    assert_eq!((&listed["total"], &listed["schedules"][0]["name"]), (&json!(1), &json!("hourly")));
    assert_eq!(
        (&listed["schedules"][0]["missed"], &listed["schedules"][0]["last_at"]),
        (&json!("coalesce"), &Value::Null)
    );
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(world.queue.sweep(Sweep::Promote, 9).await.expect("sweeps").moved, 1);
    assert_eq!(world.reserve(ORDERS, 9).await[0].job.payload, r#"{"what":"sales"}"#);
    let answer = curl_post(world.addr, "/schedules/hourly/remove", "").await;
    assert_eq!((answer.status, &answer.json()["removed"]), (200, &json!("hourly")));
    assert_eq!(curl_post(world.addr, "/schedules/hourly/remove", "").await.status, 404);
    assert_eq!(curl(world.addr, "/schedules").await.json()["total"], 0);
    world.close().await;
}

#[tokio::test]
async fn what_could_never_fire_is_refused_in_words() {
    let world = World::new().await;
    let call = |cron: &str, zone: &str, queue: &str| {
        json!({"cron": cron, "zone": zone, "queue": queue, "kind": "k"}).to_string()
    };
    for call in [
        call("every day", "UTC", ORDERS),
        call("0 0 30 2 *", "UTC", ORDERS),
        call("* * * * *", "Middle/Earth", ORDERS),
        call("* * * * *", "UTC", ""),
        r#"{"cron": "* * * * *", "queue": "q", "kind": "k", "paylod": 1}"#.to_owned(),
        r#"{"cron": "* * * * *", "queue": "q", "kind": "k", "missed": {"catch_up": {"max": 0}}}"#.to_owned(),
    ] {
        let answer = curl_post(world.addr, "/schedules/x", &call).await;
        assert_eq!(answer.status, 400, "{call}: {answer:?}");
        answer.error();
    }
    let (path, call) = (format!("/schedules/{}", "x".repeat(65)), call("* * * * *", "UTC", ORDERS));
    assert_eq!(curl_post(world.addr, &path, &call).await.status, 400);
    assert_eq!(curl(world.addr, "/schedules").await.json()["total"], 0);
    world.close().await;
}
