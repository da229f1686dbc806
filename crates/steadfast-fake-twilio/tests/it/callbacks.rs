use crate::support::{Answer, CUSTOMER, Receiver, Running, eventually, quick};
use serde_json::json;
use std::time::Duration;
use steadfast_clock::ManualClock;
use steadfast_fake_twilio::{FakeTwilioConfig, StatusTiming, WindowRule};
use steadfast_gateway::signature::Secrets;
use tokio::net::TcpListener;

#[tokio::test]
async fn callbacks_are_signed_over_the_url_with_its_query() {
    let receiver = Receiver::start().await;
    let running = Running::start(quick()).await;
    let callback = format!("{}/status?o=ab%20c&x=1", receiver.base);
    let sid = running.send(CUSTOMER, "x", Some(&callback)).await;
    eventually("three callbacks", async || receiver.seen().len() == 3).await;
    assert_eq!(receiver.statuses(), ["queued", "sent", "delivered"]);
    let secrets = Secrets::token(running.config.auth_token.clone());
    for seen in receiver.seen() {
        assert_eq!(seen.target, "/status?o=ab%20c&x=1");
        assert!(seen.is_signed(&receiver.base, &secrets));
        assert!(!seen.is_signed(&receiver.base, &Secrets::token("another")));
        assert_eq!(seen.field("MessageSid"), sid);
        assert_eq!(
            (seen.field("ChannelPrefix"), seen.field("ChannelToAddress")),
            ("whatsapp", "+9779800000001")
        );
        assert_eq!(seen.header("user-agent"), "TwilioProxy/1.1");
    }
    let (_, fetched) = running.get(&format!("Messages/{sid}.json")).await;
    assert_eq!(fetched["status"], "delivered");
    assert!(fetched["date_sent"].as_str().expect("a date").ends_with("+0000"));
}

#[tokio::test]
async fn a_message_is_read_when_the_person_looks() {
    let receiver = Receiver::start().await;
    let running = Running::start(quick()).await;
    let sid = running.send(CUSTOMER, "x", Some(&format!("{}/status", receiver.base))).await;
    eventually("delivery", async || receiver.statuses().iter().any(|s| s == "delivered")).await;
    let (_, answer) = running.post("/fake/read", json!({"number": CUSTOMER})).await;
    assert_eq!(answer["read"], 1);
    eventually("the read receipt", async || receiver.statuses().iter().any(|s| s == "read")).await;
    assert_eq!(receiver.seen()[3].field("EventType"), "READ");
    assert_eq!(running.get(&format!("Messages/{sid}.json")).await.1["status"], "read");
    assert_eq!(running.post("/fake/read", json!({"number": CUSTOMER})).await.1["read"], 0);
}

#[tokio::test]
async fn callbacks_twice_and_out_of_order_on_request() {
    let receiver = Receiver::start().await;
    let timing = StatusTiming { out_of_order_percent: 100, duplicate_percent: 100, ..quick().timing };
    let running = Running::start(FakeTwilioConfig { timing, ..quick() }).await;
    let sid = running.send(CUSTOMER, "x", Some(&format!("{}/status", receiver.base))).await;
    eventually("six callbacks", async || receiver.seen().len() == 6).await;
    let statuses = receiver.statuses();
    let first = |word: &str| statuses.iter().position(|status| status == word).expect("there");
    assert!(first("delivered") < first("sent"), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| *status == "sent").count(), 2);
    assert_eq!(running.get(&format!("Messages/{sid}.json")).await.1["status"], "delivered");
}

#[tokio::test]
async fn a_refused_callback_is_retried_only_as_its_url_says() {
    let receiver = Receiver::start().await;
    let timing = StatusTiming { delivered_after: Duration::from_secs(3_600), ..quick().timing };
    let running = Running::start(FakeTwilioConfig { timing, ..quick() }).await;
    receiver.answers([Answer::status(500), Answer::status(500), Answer::status(500)]);
    running.send(CUSTOMER, "x", Some(&format!("{}/once", receiver.base))).await;
    eventually("two callbacks", async || receiver.seen().len() == 2).await;
    running.send(CUSTOMER, "x", Some(&format!("{}/again#rc=3&rp=5xx", receiver.base))).await;
    eventually("two more and a retry", async || receiver.seen().len() == 5).await;
    let of =
        |target: &str| receiver.seen().into_iter().filter(|seen| seen.target == target).collect::<Vec<_>>();
    assert_eq!((of("/once").len(), of("/again").len()), (2, 3));
    let tokens: Vec<String> =
        of("/again").iter().map(|seen| seen.header("i-twilio-idempotency-token").to_owned()).collect();
    assert_eq!(tokens[0], tokens[1], "a retry carries the token of the first try");
    assert_ne!(tokens[0], tokens[2], "the next callback has its own");
    eventually("the counts", async || {
        running.stat("/counters/callbacks_failed").await == 2
            && running.stat("/counters/callbacks_delivered").await == 2
    })
    .await;
}

#[tokio::test]
async fn nobody_there_is_tried_once_more() {
    let running = Running::start(quick()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let nobody = format!("http://{}/status", listener.local_addr().expect("bound"));
    drop(listener);
    running.send(CUSTOMER, "x", Some(&nobody)).await;
    eventually("three failures", async || running.stat("/counters/callbacks_failed").await == 3).await;
    let (_, log) = running.get("/fake/webhooks?kind=status").await;
    let attempts = log["webhooks"][0]["attempts"].as_array().expect("tries");
    assert_eq!(attempts.len(), 2);
    assert!(attempts.iter().all(|attempt| attempt["error"] == "connect"));
    assert_eq!(log["webhooks"][0]["error_code"], 11205);
}

#[tokio::test]
async fn the_24_hour_window_closes_and_opens_again() {
    let clock = ManualClock::at(1_700_000_000_000);
    let running =
        Running::start_at(FakeTwilioConfig { window: WindowRule::Strict, ..quick() }, clock.clone()).await;
    let end = async |fields: &[(&str, &str)]| -> String {
        let (status, answer) = running.create(fields).await;
        assert_eq!(status, 201, "{answer}");
        let path = format!("Messages/{}.json", answer["sid"].as_str().expect("a sid"));
        let ended = async || running.get(&path).await.1["status"].as_str().unwrap_or_default().to_owned();
        eventually("an end", async || matches!(ended().await.as_str(), "delivered" | "failed")).await;
        let (_, message) = running.get(&path).await;
        format!("{} {}", message["status"].as_str().unwrap_or_default(), message["error_code"])
    };
    let text = [("To", CUSTOMER), ("From", "whatsapp:+14155238886"), ("Body", "x")];
    let template = [("To", CUSTOMER), ("From", "whatsapp:+14155238886"), ("ContentSid", "HX1")];
    assert_eq!(end(&text).await, "failed 63016");
    assert_eq!(end(&template).await, "delivered null");
    let letter = json!({"from": CUSTOMER, "body": "hi"});
    running.post("/fake/inbound", letter.clone()).await;
    clock.advance(Duration::from_secs(24 * 3_600 - 1));
    assert_eq!(end(&text).await, "delivered null");
    clock.advance(Duration::from_secs(1));
    assert_eq!(end(&text).await, "failed 63016");
    running.post("/fake/inbound", letter.clone()).await;
    running.post("/fake/window", json!({"number": CUSTOMER, "open": false})).await;
    assert_eq!(end(&text).await, "failed 63016");
    running.post("/fake/inbound", letter).await;
    assert_eq!(end(&text).await, "delivered null");
}
