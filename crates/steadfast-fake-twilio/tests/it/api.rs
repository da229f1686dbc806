use crate::support::{CUSTOMER, Running, SENDER, quick};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use steadfast_clock::ManualClock;
use steadfast_fake_twilio::{FakeTwilioConfig, StatusTiming};

#[tokio::test]
async fn a_create_is_answered_in_twilio_s_shape() {
    let example: Value = serde_json::from_str(include_str!("../vectors/create_201.json")).expect("JSON");
    let running = Running::start(quick()).await;
    let (status, answer) = running.create(&[("To", CUSTOMER), ("From", SENDER), ("Body", "Hello")]).await;
    assert_eq!(status, 201);
    let names =
        |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&answer), names(&example));
    for name in
        ["api_version", "body", "direction", "from", "num_media", "num_segments", "status", "date_sent"]
    {
        assert_eq!(answer[name], example[name], "{name}");
    }
    let sid = answer["sid"].as_str().expect("a sid");
    assert!(sid.len() == 34 && sid.starts_with("SM"));
    assert!(answer["uri"].as_str().expect("a uri").ends_with(&format!("Messages/{sid}.json")));
    let (status, fetched) = running.get(&format!("Messages/{sid}.json")).await;
    assert_eq!((status, &fetched["to"]), (200, &json!(CUSTOMER)));
}

#[tokio::test]
async fn credentials_are_checked() {
    let running = Running::start(quick()).await;
    for (user, token) in [("AC1", "development-token"), ("AC00000000000000000000000000000001", "wrong")] {
        let request = running.client.post(running.api("Messages.json")).basic_auth(user, Some(token));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 401);
        let answer = crate::support::json(response).await;
        assert_eq!(answer["code"], 20003);
        assert_eq!(answer["more_info"], "https://www.twilio.com/docs/errors/20003");
    }
    let response = running.client.get(running.api("Messages.json")).send().await.expect("an answer");
    assert_eq!(response.status(), 401);
    let (status, answer) = running.get("/2010-04-01/Accounts/AC2/Messages.json").await;
    assert_eq!((status, &answer["code"]), (404, &json!(20404)));
}

#[tokio::test]
async fn each_mistake_has_its_code() {
    let running = Running::start(quick()).await;
    let long = "x".repeat(1_601);
    let cases: [(&[(&str, &str)], u64); 11] = [
        (&[("From", SENDER), ("Body", "x")], 21604),
        (&[("To", "whatsapp:5551234567"), ("From", SENDER), ("Body", "x")], 21211),
        (&[("To", CUSTOMER), ("Body", "x")], 21603),
        (&[("To", CUSTOMER), ("From", SENDER)], 21602),
        (&[("To", CUSTOMER), ("From", SENDER), ("Body", &long)], 21617),
        (&[("To", CUSTOMER), ("From", "whatsapp:+14155550000"), ("Body", "x")], 63007),
        (&[("To", "+9779800000001"), ("From", SENDER), ("Body", "x")], 21910),
        (&[("To", SENDER), ("From", SENDER), ("Body", "x")], 21266),
        (&[("To", CUSTOMER), ("MessagingServiceSid", "XX1"), ("Body", "x")], 21701),
        (&[("To", CUSTOMER), ("From", SENDER), ("Body", "x"), ("StatusCallback", "no url")], 21609),
        (&[("To", ""), ("From", SENDER), ("Body", "x")], 21604),
    ];
    for (fields, code) in cases {
        let (status, answer) = running.create(fields).await;
        assert_eq!((status, &answer["code"]), (400, &json!(code)), "{answer}");
        assert_eq!(answer["status"], 400);
    }
    assert!(running.accepted().await.is_empty());
    let longest = "x".repeat(1_600);
    let service = [("To", CUSTOMER), ("MessagingServiceSid", "MG1"), ("Body", longest.as_str())];
    let (status, answer) = running.create(&service).await;
    assert_eq!(
        (status, &answer["from"], &answer["messaging_service_sid"]),
        (201, &json!(SENDER), &json!("MG1"))
    );
}

#[tokio::test]
async fn a_form_beyond_the_limit_is_refused() {
    let running = Running::start(quick()).await;
    let huge = "x".repeat(100_000);
    let (status, answer) = running.create(&[("To", CUSTOMER), ("From", SENDER), ("Body", &huge)]).await;
    assert_eq!((status, &answer["status"]), (413, &json!(413)));
}

#[tokio::test]
async fn unknown_paths_and_methods_have_twilio_s_error_shape() {
    let running = Running::start(quick()).await;
    for path in
        ["/nowhere", "Calls.json", "Messages/SM1.json", "Messages/SM00000000000000000000000000000000.json"]
    {
        let (status, answer) = running.get(path).await;
        assert_eq!((status, &answer["code"], &answer["status"]), (404, &json!(20404), &json!(404)), "{path}");
        assert!(answer["message"].as_str().expect("a text").contains("was not found"));
    }
    let response = running.client.put(format!("{}/fake/stats", running.url)).send().await.expect("an answer");
    assert_eq!(response.status(), 405);
    assert_eq!(crate::support::json(response).await["code"], 20004);
}

#[tokio::test]
async fn the_list_pages_through_both_directions_newest_first() {
    let running = Running::start(quick()).await;
    for at in 0..7 {
        running.send(CUSTOMER, &format!("out {at}"), None).await;
        let letter = json!({"from": CUSTOMER, "body": format!("in {at}"), "deliver": false});
        running.post("/fake/inbound", letter).await;
    }
    let mut bodies = Vec::new();
    let mut path = "Messages.json?PageSize=4".to_owned();
    let mut pages = 0;
    loop {
        let (status, page) = running.get(&path).await;
        assert_eq!(status, 200);
        let messages = page["messages"].as_array().expect("a list");
        bodies.extend(messages.iter().map(|m| m["body"].as_str().expect("a text").to_owned()));
        pages += 1;
        match page["next_page_uri"].as_str() {
            Some(next) => next.clone_into(&mut path),
            None => break,
        }
    }
    let expected: Vec<String> =
        (0..7).rev().flat_map(|at| [format!("in {at}"), format!("out {at}")]).collect();
    assert_eq!((bodies, pages), (expected, 4));

    let (_, inbound) = running.get(&format!("Messages.json?To={}", SENDER.replace('+', "%2B"))).await;
    let inbound = inbound["messages"].as_array().expect("a list");
    assert_eq!(inbound.len(), 7);
    assert!(inbound.iter().all(|m| m["direction"] == "inbound" && m["status"] == "received"));
    let query = format!("Messages.json?To={}&From={}", CUSTOMER, SENDER).replace('+', "%2B");
    assert_eq!(running.get(&query).await.1["messages"].as_array().expect("a list").len(), 7);
    let (status, answer) = running.get("Messages.json?PageSize=0").await;
    assert_eq!((status, &answer["code"]), (400, &json!(20006)));
}

#[tokio::test]
async fn the_list_filters_by_date_and_may_lag() {
    let clock = ManualClock::at(1_700_000_000_000);
    let lag = FakeTwilioConfig {
        list_lag: Duration::from_secs(5),
        timing: StatusTiming { enabled: false, ..StatusTiming::default() },
        ..quick()
    };
    let running = Running::start_at(lag, clock.clone()).await;
    running.send(CUSTOMER, "early", None).await;
    assert_eq!(running.get("Messages.json").await.1["messages"], json!([]));
    clock.advance(Duration::from_secs(60));
    running.send(CUSTOMER, "late", None).await;
    clock.advance(Duration::from_secs(10));
    let bodies = async |query: &str| -> Vec<String> {
        let (status, page) = running.get(&format!("Messages.json?{query}")).await;
        assert_eq!(status, 200, "{page}");
        let messages = page["messages"].as_array().expect("a list");
        messages.iter().map(|m| m["body"].as_str().expect("a text").to_owned()).collect()
    };
    // 1,700,000,000 is 2023-11-14 22:13:20 UTC.
    assert_eq!(bodies("").await, ["late", "early"]);
    assert_eq!(bodies("DateSent%3E=2023-11-14T22:14:20Z").await, ["late"]);
    assert_eq!(bodies("DateSent>=2023-11-14T22:13:20Z").await, ["late", "early"]);
    assert_eq!(bodies("DateSent%3C=2023-11-14T22:14:19Z").await, ["early"]);
    assert_eq!(bodies("DateSent=2023-11-14").await, ["late", "early"]);
    assert_eq!(bodies("DateSent=2023-11-15").await, Vec::<String>::new());
    let (status, answer) = running.get("Messages.json?DateSent%3E=yesterday").await;
    assert_eq!((status, &answer["code"]), (400, &json!(20001)));
}
