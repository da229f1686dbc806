use crate::support::{CUSTOMER, Receiver, Running, quick};
use serde_json::json;
use steadfast_fake_twilio::FakeTwilioConfig;

#[tokio::test]
async fn media_need_credentials_here_and_refuse_them_there() {
    let receiver = Receiver::start().await;
    let webhook_url = Some(format!("{}/hook", receiver.base));
    let running = Running::start(FakeTwilioConfig { webhook_url, ..quick() }).await;
    // "%PDF-" in base64.
    let file = json!([{"content_type": "application/pdf", "data_base64": "JVBERi0="}]);
    running.post("/fake/inbound", json!({"from": CUSTOMER, "body": "offer.pdf", "media": file})).await;
    let seen = receiver.seen().remove(0);
    assert!(seen.field("MessageSid").starts_with("MM"));
    assert_eq!((seen.field("NumMedia"), seen.field("MessageType")), ("1", "document"));
    let url = seen.field("MediaUrl0").to_owned();
    assert!(url.starts_with(&running.url), "{url}");

    let without = running.client.get(&url).send().await.expect("an answer");
    assert_eq!(without.status(), 401);
    let get = |url: &str| {
        running.client.get(url).basic_auth(&running.config.account_sid, Some(&running.config.auth_token))
    };
    let redirect = get(&url).send().await.expect("an answer");
    assert_eq!(redirect.status(), 307);
    let storage = redirect.headers()["location"].to_str().expect("text").to_owned();
    assert_eq!(get(&storage).send().await.expect("an answer").status(), 400);
    assert_eq!(running.stat("/counters/credentials_leaked").await, 1);
    let served = running.client.get(&storage).send().await.expect("an answer");
    assert_eq!(served.headers()["content-type"], "application/pdf");
    assert_eq!(served.bytes().await.expect("bytes").as_ref(), b"%PDF-");

    let sid = seen.field("MessageSid");
    let (_, list) = running.get(&format!("Messages/{sid}/Media.json")).await;
    assert_eq!(list["media_list"][0]["content_type"], "application/pdf");
    let one = format!("{url}.json");
    assert_eq!(get(&one).send().await.expect("an answer").status(), 200);
    let delete = running.client.delete(&one);
    let delete = delete.basic_auth(&running.config.account_sid, Some(&running.config.auth_token));
    assert_eq!(delete.send().await.expect("an answer").status(), 204);
    assert_eq!(get(&url).send().await.expect("an answer").status(), 404);
}
