use crate::support::{CUSTOMER, Running, quick};
use serde_json::json;
use std::time::Duration;
use steadfast_fake_twilio::FakeTwilioConfig;
use tokio::time::timeout;

#[tokio::test]
async fn the_page_is_served_under_a_strict_policy() {
    let running = Running::start(quick()).await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/chat", "text/html; charset=utf-8"),
        ("/fake", "text/html; charset=utf-8"),
        ("/chat.css", "text/css; charset=utf-8"),
        ("/chat.js", "text/javascript; charset=utf-8"),
        ("/draw.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        let response = running.client.get(format!("{}{path}", running.url)).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], content_type);
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let text = response.text().await.expect("text");
        assert!(!text.contains("{{"), "{path} has an unfilled place");
        assert!(!text.contains("style=\"") && !text.contains("onclick"), "{path} has something inline");
        assert!(!text.contains("development-token"), "{path} shows the token");
    }
}

#[tokio::test]
async fn what_is_configured_is_escaped_on_the_page() {
    let sender = "whatsapp:+1<script>".to_owned();
    let running = Running::start(FakeTwilioConfig { sender, ..quick() }).await;
    let text = running.client.get(&running.url).send().await.expect("an answer").text().await.expect("text");
    assert!(text.contains("whatsapp:+1&lt;script&gt;") && !text.contains("+1<script>"));
}

#[tokio::test]
async fn a_page_of_another_site_may_not_write() {
    let running = Running::start(quick()).await;
    let post = || running.client.post(format!("{}/fake/reset", running.url));
    let refused = [
        post().header("sec-fetch-site", "cross-site"),
        post().header("origin", "https://evil.example"),
        post().header("origin", "null"),
    ];
    for request in refused {
        assert_eq!(request.send().await.expect("an answer").status(), 403);
    }
    let own = [post().header("origin", running.url.clone()).header("sec-fetch-site", "same-origin"), post()];
    for request in own {
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn open_pages_hear_what_happens_until_the_stop() {
    let running = Running::start(quick()).await;
    let mut stream =
        running.client.get(format!("{}/fake/events", running.url)).send().await.expect("an answer");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut heard = String::new();
    let mut until = async |what: &str| {
        while !heard.contains(what) {
            let chunk =
                timeout(Duration::from_secs(10), stream.chunk()).await.expect("in time").expect("no error");
            heard.push_str(&String::from_utf8_lossy(&chunk.expect("the stream goes on")));
        }
    };
    until("event: hello").await;
    running.send(CUSTOMER, "heard by the page", None).await;
    until("heard by the page").await;
    until("\"status\":\"delivered\"").await;
    let to = "whatsapp:+15005550610";
    running.create(&[("To", to), ("From", "whatsapp:+14155238886"), ("Body", "x")]).await;
    until("event: note").await;
    running.post("/fake/inbound", json!({"from": CUSTOMER, "body": "and this"})).await;
    until("and this").await;
    let took = running.stop().await;
    assert!(took < Duration::from_secs(2), "{took:?}: an open page must not hold up the stop");
}

#[tokio::test]
async fn the_chat_shows_both_sides_and_the_script() {
    let running = Running::start(quick()).await;
    running.post("/fake/inbound", json!({"from": CUSTOMER, "body": "mine"})).await;
    running.post("/fake/script", json!({"behaviour": "stuck", "to": CUSTOMER})).await;
    running.send(CUSTOMER, "theirs", None).await;
    let number = CUSTOMER.replace('+', "%2B");
    let (_, chat) = running.get(&format!("/fake/chat?number={number}")).await;
    let bodies: Vec<&str> = chat["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| m["body"].as_str().expect("text"))
        .collect();
    assert_eq!(bodies, ["mine", "theirs"]);
    assert_eq!((&chat["behaviour"], &chat["window_open"]), (&json!("stuck"), &json!(true)));
    let (_, chats) = running.get("/fake/chats").await;
    assert_eq!(chats["chats"][0]["body"], "theirs");
}
