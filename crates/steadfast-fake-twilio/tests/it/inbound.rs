use crate::support::{Answer, CUSTOMER, Receiver, Running, eventually, quick};
use serde_json::{Value, json};
use std::time::Duration;
use steadfast_fake_twilio::{FakeTwilioConfig, SharedKey as OurKey};
use steadfast_gateway::Secret;
use steadfast_gateway::signature::{Secrets, SharedKey};
use tokio::net::TcpListener;
use tokio::time::Instant;

async fn start(fragment: &str) -> (Receiver, Running) {
    let receiver = Receiver::start().await;
    let webhook_url = Some(format!("{}/hook?a=b{fragment}", receiver.base));
    let running = Running::start(FakeTwilioConfig { webhook_url, ..quick() }).await;
    (receiver, running)
}

fn letter(body: &str) -> Value {
    json!({"from": "+9779800000001", "body": body})
}

#[tokio::test]
async fn a_customer_s_message_is_signed_and_its_answer_recorded() {
    let (receiver, running) = start("").await;
    let (status, answer) = running.post("/fake/inbound", letter("2 piñas + 1 कोक & 3% off\nसाँझ")).await;
    assert_eq!(status, 200);
    assert_eq!((&answer["webhook"]["status"], &answer["webhook"]["error_code"]), (&json!(200), &Value::Null));
    let seen = receiver.seen();
    assert_eq!((seen.len(), seen[0].target.as_str()), (1, "/hook?a=b"));
    assert_eq!(seen[0].field("Body"), "2 piñas + 1 कोक & 3% off\nसाँझ");
    assert_eq!(
        (seen[0].field("From"), seen[0].field("MessageSid")),
        (CUSTOMER, answer["sid"].as_str().expect("a sid"))
    );
    assert!(seen[0].is_signed(&receiver.base, &Secrets::token(running.config.auth_token.clone())));
    let (_, log) = running.get("/fake/webhooks?kind=inbound").await;
    assert_eq!(
        (&log["webhooks"][0]["status"], &log["webhooks"][0]["answer"]),
        (&json!(200), &json!("<Response/>"))
    );
}

#[tokio::test]
async fn forged_and_unsigned_messages_do_not_verify() {
    let (receiver, running) = start("").await;
    let secrets = Secrets::token(running.config.auth_token.clone());
    for signature in ["bad", "missing"] {
        running.post("/fake/inbound", json!({"from": CUSTOMER, "body": "x", "signature": signature})).await;
    }
    assert_eq!(receiver.seen().len(), 2);
    assert!(receiver.seen().iter().all(|seen| !seen.is_signed(&receiver.base, &secrets)));
}

#[tokio::test]
async fn a_shared_key_signs_with_sha_256() {
    let (receiver, _) = start("").await;
    let key = OurKey { id: "webhooks_sharedkey_1".to_owned(), key: "a key".to_owned() };
    let webhook_url = Some(format!("{}/hook", receiver.base));
    let running = Running::start(FakeTwilioConfig { shared_key: Some(key), webhook_url, ..quick() }).await;
    running.post("/fake/inbound", letter("x")).await;
    let shared = SharedKey { id: "webhooks_sharedkey_1".to_owned(), secret: Secret::new("a key") };
    let secrets = Secrets { auth_tokens: Vec::new(), shared_keys: vec![shared] };
    assert!(receiver.seen()[0].is_signed(&receiver.base, &secrets));
}

#[tokio::test]
async fn without_a_connection_one_more_try_and_none_with_rc_0() {
    let running = Running::start(quick()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let nobody = format!("http://{}/hook", listener.local_addr().expect("bound"));
    drop(listener);
    for (fragment, tries) in [("", 2), ("#rc=0", 1), ("#rc=4", 5), ("#rc=4&rp=5xx", 1)] {
        running.post("/fake/webhook-url", json!({"url": format!("{nobody}{fragment}")})).await;
        let (_, answer) = running.post("/fake/inbound", letter("x")).await;
        let hook = &answer["webhook"];
        assert_eq!(hook["attempts"].as_array().expect("tries").len(), tries, "{fragment}");
        assert_eq!((&hook["status"], &hook["error_code"]), (&Value::Null, &json!(11205)));
    }
}

#[tokio::test]
async fn answers_are_retried_as_the_fragment_says_and_with_one_token() {
    let (receiver, running) = start("#rc=2&rp=5xx").await;
    receiver.answers([Answer::status(503), Answer::status(500), Answer::status(200), Answer::status(404)]);
    let (_, answer) = running.post("/fake/inbound", letter("x")).await;
    let tries: Vec<u64> = answer["webhook"]["attempts"]
        .as_array()
        .expect("tries")
        .iter()
        .map(|attempt| attempt["status"].as_u64().expect("a status"))
        .collect();
    assert_eq!(tries, [503, 500, 200]);
    let token = |at: usize| receiver.seen()[at].header("i-twilio-idempotency-token").to_owned();
    assert!(token(0) == token(1) && token(1) == token(2) && token(0).len() == 36);
    let (_, answer) = running.post("/fake/inbound", letter("x")).await;
    assert_eq!(
        (&answer["webhook"]["status"], &answer["webhook"]["error_code"]),
        (&json!(404), &json!(11200))
    );
    assert_eq!(receiver.seen().len(), 4, "404 is not in the policy");
    assert_ne!(token(0), token(3), "another message has another token");
    let secrets = Secrets::token(running.config.auth_token.clone());
    assert!(
        receiver.seen().iter().all(|seen| seen.is_signed(&receiver.base, &secrets)),
        "the fragment is not signed"
    );
    assert_eq!(running.stat("/counters/inbound_failed").await, 1);
}

#[tokio::test]
async fn no_answer_in_time_ends_by_read_and_by_total_timeout() {
    let (receiver, running) = start("#rt=100&rp=rt&rc=1").await;
    let slow = Answer { hangs: true, ..Answer::status(200) };
    receiver.answers([slow.clone(), slow.clone(), slow.clone()]);
    let (_, answer) = running.post("/fake/inbound", letter("x")).await;
    let attempts = answer["webhook"]["attempts"].as_array().expect("tries");
    assert_eq!((attempts.len(), &attempts[0]["error"]), (2, &json!("read_timeout")));
    running
        .post("/fake/webhook-url", json!({"url": format!("{}/hook#tt=150&rc=5&rp=all", receiver.base)}))
        .await;
    let began = Instant::now();
    let (_, answer) = running.post("/fake/inbound", letter("x")).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let attempts = answer["webhook"]["attempts"].as_array().expect("tries");
    assert_eq!(attempts.len(), 1, "{attempts:?}");
}

#[tokio::test]
async fn the_fallback_url_gets_what_the_first_refused() {
    let (receiver, first) = start("").await;
    let config = FakeTwilioConfig {
        webhook_url: Some(format!("{}/hook#rc=0", receiver.base)),
        fallback_url: Some(format!("{}/fallback", receiver.base)),
        ..quick()
    };
    drop(first);
    let running = Running::start(config).await;
    receiver.answers([Answer::status(503)]);
    let (_, answer) = running.post("/fake/inbound", letter("x")).await;
    assert_eq!(answer["webhook"]["status"], 200);
    let seen = receiver.seen();
    assert_eq!((seen[1].target.as_str(), seen[1].field("ErrorCode")), ("/fallback", "11200"));
    assert_eq!(seen[1].field("ErrorUrl"), format!("{}/hook", receiver.base));
    assert!(seen[1].is_signed(&receiver.base, &Secrets::token(running.config.auth_token.clone())));
}

#[tokio::test]
async fn bursts_duplicates_and_lost_webhooks() {
    let (receiver, running) = start("").await;
    let burst = json!({"from": CUSTOMER, "body": "number {n}", "count": 30, "parallel": 8});
    let (_, answer) = running.post("/fake/inbound", burst).await;
    assert_eq!(answer["messages"].as_array().expect("a list").len(), 30);
    let mut bodies: Vec<String> = receiver.seen().iter().map(|seen| seen.field("Body").to_owned()).collect();
    bodies.sort_by_key(|body| body.len());
    bodies.dedup();
    assert_eq!((bodies.len(), bodies[0].as_str()), (30, "number 1"));

    let twice = json!({"from": CUSTOMER, "body": "same", "deliveries": 3});
    let (_, answer) = running.post("/fake/inbound", twice).await;
    let sid = answer["sid"].as_str().expect("a sid").to_owned();
    let again = json!({"from": CUSTOMER, "body": "same", "sid": sid});
    running.post("/fake/inbound", again).await;
    assert_eq!(receiver.seen().iter().filter(|seen| seen.field("MessageSid") == sid).count(), 4);

    let lost = json!({"from": CUSTOMER, "body": "lost", "deliver": false});
    let (_, answer) = running.post("/fake/inbound", lost).await;
    assert_eq!(answer["webhook"], Value::Null);
    assert_eq!(receiver.seen().len(), 34);
    let (_, listed) = running.get(&format!("Messages/{}.json", answer["sid"].as_str().expect("a sid"))).await;
    assert_eq!((&listed["body"], &listed["direction"]), (&json!("lost"), &json!("inbound")));
    assert_eq!(running.stat("/store/messages").await, 32);
}

#[tokio::test]
async fn what_the_answer_says_reaches_the_customer() {
    let (receiver, running) = start("").await;
    let twiml = "<Response><Message>from <![CDATA[x]]> TwiML &amp; co</Message></Response>";
    receiver.answers([
        Answer::with("text/plain", "OK"),
        Answer::with("text/xml", twiml),
        Answer::with("application/json", "{}"),
    ]);
    running.post("/fake/inbound", letter("x")).await;
    running.post("/fake/inbound", letter("x")).await;
    let (_, answer) = running.post("/fake/inbound", letter("x")).await;
    assert_eq!(answer["webhook"]["error_code"], 12300);
    let accepted = running.accepted().await;
    assert_eq!(
        (accepted.len(), &accepted[0]["body"], &accepted[0]["direction"]),
        (2, &json!("OK"), &json!("outbound-reply"))
    );
    eventually("delivery", async || running.accepted().await[0]["status"] == "delivered").await;
}

#[tokio::test]
async fn a_huge_answer_is_read_only_so_far() {
    let (receiver, running) = start("").await;
    receiver.answers([Answer::with("text/html", &"x".repeat(1 << 20))]);
    let (_, answer) = running.post("/fake/inbound", letter("x")).await;
    assert_eq!(answer["webhook"]["answer"].as_str().expect("a text").len(), 64 * 1024);
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() {
    let (_receiver, running) = start("").await;
    for (wrong, why) in [
        (json!({"from": "nobody", "body": "x"}), "from must be"),
        (json!({"from": CUSTOMER, "count": 0}), "count must be"),
        (json!({"from": CUSTOMER, "count": 1_001}), "count must be"),
        (json!({"from": CUSTOMER, "deliveries": 21}), "deliveries must be"),
        (json!({"from": CUSTOMER, "boddy": "x"}), "boddy"),
        (json!({"from": CUSTOMER, "sid": "SM1"}), "sid must be"),
        (json!({"from": CUSTOMER, "media": [{"content_type": "image/png", "data_base64": "%"}]}), "base64"),
        (json!([]), "JSON"),
    ] {
        let (status, answer) = running.post("/fake/inbound", wrong).await;
        assert_eq!(status, 400);
        assert!(answer["message"].as_str().expect("a text").contains(why), "{answer}");
    }
}
