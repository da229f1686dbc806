use crate::support::{CUSTOMER, Receiver, Running, SENDER, eventually, quick};
use serde_json::{Value, json};
use std::time::Duration;
use steadfast_fake_twilio::FakeTwilioConfig;
use tokio::time::Instant;

fn to(suffix: &str) -> String {
    format!("whatsapp:+1500555{suffix}")
}

async fn create(running: &Running, to: &str) -> (u16, Value) {
    running.create(&[("To", to), ("From", SENDER), ("Body", "x")]).await
}

#[tokio::test]
async fn suffixes_that_refuse_at_once() {
    let running = Running::start(quick()).await;
    let cases = [("0610", 400, 21610), ("0611", 400, 21611), ("0020", 401, 20003), ("0038", 429, 63038)];
    for (suffix, status, code) in cases {
        for _ in 0..3 {
            let (met, answer) = create(&running, &to(suffix)).await;
            assert_eq!((met, &answer["code"]), (status, &json!(code)), "{suffix}");
        }
    }
    assert!(running.accepted().await.is_empty());
    assert_eq!(running.stat("/counters/refused/21610").await, 3);
}

#[tokio::test]
async fn too_many_requests_twice_then_accepted() {
    let running = Running::start(quick()).await;
    let mut met = Vec::new();
    for _ in 0..3 {
        met.push(create(&running, &to("0429")).await.0);
    }
    assert_eq!(met, [429, 429, 201]);
    assert_eq!(running.accepted().await.len(), 1);
}

#[tokio::test]
async fn a_server_error_is_a_page_and_nothing_is_accepted() {
    let running = Running::start(quick()).await;
    let to = to("0500");
    let request = running.post_form(&[("To", &to), ("From", SENDER), ("Body", "x")]);
    let response = request.send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (500, &"text/html".parse().unwrap())
    );
    assert!(response.text().await.expect("a body").starts_with("<html>"));
    assert!(running.accepted().await.is_empty());
}

#[tokio::test]
async fn an_answer_is_lost_after_accepting() {
    let running = Running::start(quick()).await;
    let to = to("0503");
    let request = running.post_form(&[("To", &to), ("From", SENDER), ("Body", "once")]);
    let error = request.send().await.expect_err("no answer");
    assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
    let accepted = running.accepted().await;
    assert_eq!((accepted.len(), &accepted[0]["to"]), (1, &json!(to)));
    let listed = running.get(&format!("Messages.json?To={}", to.replace('+', "%2B"))).await.1;
    assert_eq!(listed["messages"][0]["body"], "once");
}

#[tokio::test]
async fn an_answer_comes_too_late_after_accepting() {
    let running = Running::start(FakeTwilioConfig { slow_answer: Duration::from_secs(60), ..quick() }).await;
    let to = to("0504");
    let request = running.post_form(&[("To", &to), ("From", SENDER), ("Body", "x")]);
    let error = request.timeout(Duration::from_millis(200)).send().await.expect_err("no answer in time");
    assert!(error.is_timeout());
    assert_eq!(running.accepted().await.len(), 1);
    assert!(running.stop().await < Duration::from_secs(4), "a held-back answer must not hold up the stop");
}

#[tokio::test]
async fn a_request_is_lost_before_accepting_twice_then_accepted() {
    let running = Running::start(quick()).await;
    let to = to("0505");
    for _ in 0..2 {
        let request = running.post_form(&[("To", &to), ("From", SENDER), ("Body", "x")]);
        request.send().await.expect_err("no answer");
        assert!(running.accepted().await.is_empty());
    }
    assert_eq!(create(&running, &to).await.0, 201);
}

#[tokio::test]
async fn suffixes_that_fail_later() {
    let receiver = Receiver::start().await;
    let running = Running::start(quick()).await;
    let callback = format!("{}/status", receiver.base);
    for (suffix, status, code) in
        [("0016", "failed", "63016"), ("0024", "undelivered", "63024"), ("0014", "undelivered", "63014")]
    {
        let sid = running.send(&to(suffix), "x", Some(&callback)).await;
        let last = async || {
            let of_message = receiver.seen().into_iter().filter(|seen| seen.field("MessageSid") == sid);
            of_message
                .last()
                .map(|seen| (seen.field("MessageStatus").to_owned(), seen.field("ErrorCode").to_owned()))
        };
        eventually("the failure's callback", async || {
            last().await == Some((status.to_owned(), code.to_owned()))
        })
        .await;
        let (_, fetched) = running.get(&format!("Messages/{sid}.json")).await;
        assert_eq!(
            (&fetched["status"], fetched["error_code"].to_string()),
            (&json!(status), code.to_owned())
        );
    }
    let stuck = running.send(&to("0099"), "x", Some(&callback)).await;
    running.send(CUSTOMER, "x", Some(&callback)).await;
    eventually("the other's delivery", async || receiver.statuses().iter().any(|s| s == "delivered")).await;
    assert!(receiver.seen().iter().all(|seen| seen.field("MessageSid") != stuck));
}

#[tokio::test]
async fn scripts_by_recipient_and_for_the_next_creates() {
    let running = Running::start(quick()).await;
    running.post("/fake/script", json!({"behaviour": "queue_full", "times": 2})).await;
    running.post("/fake/script", json!({"behaviour": "opted_out", "to": CUSTOMER, "times": 1})).await;
    let other = "whatsapp:+9779800000002";
    assert_eq!(create(&running, CUSTOMER).await.1["code"], 21610);
    assert_eq!(create(&running, CUSTOMER).await.1["code"], 21611);
    assert_eq!(create(&running, other).await.1["code"], 21611);
    assert_eq!(create(&running, other).await.0, 201);
    running.post("/fake/script", json!({"behaviour": "opted_out", "to": CUSTOMER})).await;
    let (_, shown) = running.get("/fake/script").await;
    assert_eq!(shown["by_recipient"][CUSTOMER]["behaviour"], "opted_out");
    let url = format!("{}/fake/script", running.url);
    running.client.delete(url).send().await.expect("an answer");
    assert_eq!(create(&running, CUSTOMER).await.0, 201);
    for wrong in [json!({}), json!({"behaviour": "explode"}), json!({"latency_ms": 1_000_000})] {
        assert_eq!(running.post("/fake/script", wrong).await.0, 400);
    }
}

#[tokio::test]
async fn latency_delays_creates_and_a_full_house_is_429() {
    let running = Running::start(FakeTwilioConfig { concurrency_max: 1, ..quick() }).await;
    running.post("/fake/script", json!({"latency_ms": 300})).await;
    let began = Instant::now();
    let (first, second) = tokio::join!(create(&running, CUSTOMER), create(&running, CUSTOMER));
    assert!(began.elapsed() >= Duration::from_millis(300));
    let mut met = [first.0, second.0];
    met.sort_unstable();
    assert_eq!(met, [201, 429]);
}
