use crate::support::{CUSTOMER, Receiver, Running, SENDER, quick};
use serde_json::json;
use std::time::Duration;
use steadfast_fake_twilio::{FakeTwilioConfig, StatusTiming};

#[tokio::test]
async fn the_store_drops_the_oldest_and_says_so() {
    let running = Running::start(FakeTwilioConfig { messages_max: 100, ..quick() }).await;
    let burst = json!({"from": CUSTOMER, "body": "number {n}", "count": 250, "deliver": false});
    running.post("/fake/inbound", burst).await;
    let sid = running.send(CUSTOMER, "the newest", None).await;
    assert_eq!(running.stat("/store/messages").await, 100);
    assert_eq!(running.stat("/store/messages_dropped").await, 151);
    let (_, list) = running.get("Messages.json?PageSize=1000").await;
    let messages = list["messages"].as_array().expect("a list");
    assert_eq!(
        (messages.len(), &messages[0]["sid"], &messages[99]["body"]),
        (100, &json!(sid), &json!("number 152"))
    );
}

#[tokio::test]
async fn accepted_messages_are_read_page_by_page() {
    let timing = StatusTiming { enabled: false, ..StatusTiming::default() };
    let running = Running::start(FakeTwilioConfig { timing, ..quick() }).await;
    for at in 0..25 {
        let to = format!("whatsapp:+97798000000{:02}", at % 2 + 1);
        running.send(&to, &format!("reply {at}"), None).await;
    }
    let mut after = 0;
    let mut read = Vec::new();
    loop {
        let (_, page) = running.get(&format!("/fake/messages?after={after}&limit=10")).await;
        let messages = page["messages"].as_array().expect("a list").clone();
        after = page["next_after"].as_u64().expect("a place");
        let full = messages.len() == 10;
        read.extend(messages);
        if !full {
            break;
        }
    }
    let bodies: Vec<&str> = read.iter().map(|m| m["body"].as_str().expect("a text")).collect();
    let expected: Vec<String> = (0..25).map(|at| format!("reply {at}")).collect();
    assert_eq!(bodies, expected);
    assert_eq!(read[0]["from"], SENDER);
    let query = format!("to={}", CUSTOMER.replace('+', "%2B"));
    let (_, to_one) = running.get(&format!("/fake/messages?{query}")).await;
    assert_eq!(to_one["messages"].as_array().expect("a list").len(), 13);
    let url = format!("{}/fake/messages?format=ndjson", running.url);
    let lines = running.client.get(url).send().await.expect("an answer").text().await.expect("text");
    assert_eq!(lines.lines().count(), 25);
    assert_eq!(running.get("/fake/messages?format=xml").await.0, 400);
    assert_eq!(running.get("/fake/messages?nonsense=1").await.0, 400);
}

#[tokio::test]
async fn callbacks_beyond_the_line_are_dropped_and_counted() {
    let receiver = Receiver::start().await;
    let config = FakeTwilioConfig { callbacks_waiting_max: 1, callbacks_at_once: 1, ..quick() };
    let running = Running::start(config).await;
    let slow = crate::support::Answer { hangs: true, ..crate::support::Answer::status(200) };
    receiver.answers(std::iter::repeat_n(slow, 20));
    for _ in 0..5 {
        running.send(CUSTOMER, "x", Some(&format!("{}/status", receiver.base))).await;
    }
    crate::support::eventually("drops", async || {
        running.stat("/counters/callbacks_dropped").await.as_u64() >= Some(10)
    })
    .await;
    assert_eq!(receiver.seen().len(), 1);
    let took = running.stop().await;
    assert!(took < Duration::from_secs(7), "{took:?}: a hanging receiver must not hold up the stop");
}

#[tokio::test]
async fn a_reset_forgets_all_but_the_way() {
    let receiver = Receiver::start().await;
    let webhook_url = Some(format!("{}/hook", receiver.base));
    let running = Running::start(FakeTwilioConfig { webhook_url, ..quick() }).await;
    running.send(CUSTOMER, "x", None).await;
    running.post("/fake/script", json!({"behaviour": "opted_out", "to": CUSTOMER})).await;
    running.post("/fake/reset", json!({})).await;
    assert!(running.accepted().await.is_empty());
    assert_eq!(running.stat("/counters/accepted").await, 0);
    let sid = running.send(CUSTOMER, "y", None).await;
    let accepted = running.accepted().await;
    assert_eq!((accepted.len(), &accepted[0]["sid"], &accepted[0]["seq"]), (1, &json!(sid), &json!(2)));
    let (_, answer) = running.post("/fake/inbound", json!({"from": CUSTOMER, "body": "x"})).await;
    assert_eq!(answer["webhook"]["status"], 200);
    running.twilio.set_webhook_url(None);
    let (_, answer) = running.post("/fake/inbound", json!({"from": CUSTOMER, "body": "x"})).await;
    assert!(answer["webhook"].is_null());
}
