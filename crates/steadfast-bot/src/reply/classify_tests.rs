use super::*;
use proptest::prelude::*;

const VECTORS: &str = include_str!("../../tests/vectors/twilio_api_responses.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).expect("the vectors are JSON")
}

/// The class that the vectors' plain words stand for.
fn class_by_words(words: &str) -> RefusalClass {
    match words.split([':', ',', ' ', ';']).next().expect("never empty") {
        "config" | "our" => RefusalClass::Config,
        "retry" if words.contains("pause") => RefusalClass::PauseSender { for_ms: 0 },
        "retry" => RefusalClass::Retry,
        "pause" => RefusalClass::PauseSender { for_ms: 0 },
        "permanent" if words.contains("opted out") || words.contains("stop messaging") => {
            RefusalClass::OptedOut
        }
        "permanent" if words.contains("free-form") => RefusalClass::WindowClosed,
        "permanent" => RefusalClass::Permanent,
        other => panic!("{other}"),
    }
}

fn same(got: RefusalClass, expected: RefusalClass) -> bool {
    std::mem::discriminant(&got) == std::mem::discriminant(&expected)
}

#[test]
fn every_answer_of_the_vectors() {
    for row in vectors()["responses"].as_array().expect("rows") {
        let name = row["name"].as_str().expect("name");
        let body = match row.get("raw") {
            Some(raw) => raw.as_str().expect("text").to_owned(),
            None => row["body"].to_string(),
        };
        let http_status = u16::try_from(row["http"].as_u64().expect("status")).expect("small");
        let answer = Answer { http_status, retry_after: None, body: Some(body.as_bytes()), now_ms: 0 };
        match (classify_send(answer), row.get("class").and_then(Value::as_str)) {
            (SendOutcome::Accepted { sid }, None) => assert_eq!(row["body"]["sid"], sid.as_str(), "{name}"),
            (SendOutcome::Ambiguous { .. }, Some(class)) => assert!(class.starts_with("ambiguous"), "{name}"),
            (SendOutcome::Refused(refusal), Some(class)) => {
                assert!(same(refusal.class, class_by_words(class)), "{name}: {refusal:?}");
                assert!(!refusal.message.contains("5551234567"), "{name} leaks the number");
            }
            (outcome, class) => panic!("{name}: {outcome:?} for {class:?}"),
        }
    }
}

#[test]
fn every_asynchronous_code_of_the_vectors() {
    for row in vectors()["async_error_codes"].as_array().expect("rows") {
        let code = u32::try_from(row["code"].as_u64().expect("code")).expect("small");
        let class = class_of(code).unwrap_or_else(|| panic!("{code} is unknown"));
        // The tier limit is a retry that also slows the sender, which is what a pause does.
        let expected = match code {
            63018 => RefusalClass::PauseSender { for_ms: 0 },
            _ => class_by_words(row["class"].as_str().expect("class")),
        };
        assert!(same(class, expected), "{code}: {class:?}");
    }
    for code in vectors()["whatsapp_to_twilio_code"].as_object().expect("map").values() {
        let code = u32::try_from(code.as_u64().expect("code")).expect("small");
        assert!(class_of(code).is_some(), "{code} is unknown");
    }
}

fn send(http_status: u16, body: Option<&str>) -> SendOutcome {
    classify_send(Answer { http_status, retry_after: None, body: body.map(str::as_bytes), now_ms: 0 })
}

#[test]
fn answers_that_are_not_what_they_should_be() {
    let sid = r#"{"sid": "SM00000000000000000000000000000200"}"#;
    assert!(matches!(send(201, Some(sid)), SendOutcome::Accepted { .. }));
    for broken in [None, Some(""), Some("<html>"), Some(&sid[..20]), Some(r#"{"sid":"x"}"#), Some("[]")] {
        assert!(matches!(send(201, broken), SendOutcome::Ambiguous { .. }), "{broken:?}");
        assert!(matches!(send(502, broken), SendOutcome::Ambiguous { .. }), "{broken:?}");
    }
    let class = |http, body| match send(http, body) {
        SendOutcome::Refused(refusal) => refusal.class,
        other => panic!("{other:?}"),
    };
    assert_eq!(class(429, Some("<html>slow down</html>")), RefusalClass::Retry);
    assert_eq!(class(400, Some("<html>bad</html>")), RefusalClass::Permanent);
    assert_eq!(class(400, None), RefusalClass::Retry, "a broken-off refusal may name a passing fault");
    assert_eq!(class(418, Some(r#"{"code": 99999}"#)), RefusalClass::Permanent);
    assert_eq!(class(302, Some("")), RefusalClass::Config);
    assert_eq!(class(403, Some("")), RefusalClass::Config);
    let problem = r#"{"type": "https://www.twilio.com/docs/api/errors/63038", "status": 429}"#;
    assert!(matches!(class(429, Some(problem)), RefusalClass::PauseSender { .. }));
    assert_eq!(class(400, Some(r#"{"code": "21610"}"#)), RefusalClass::OptedOut);
}

#[test]
fn retry_after_in_both_forms_and_bounded() {
    assert_eq!(retry_after_ms(Some("7"), 0), Some(7_000));
    assert_eq!(retry_after_ms(Some("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_770_000), Some(7_000));
    assert_eq!(retry_after_ms(Some("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_999_000), Some(0));
    assert_eq!(retry_after_ms(Some("99999999999999999999"), 0), None);
    assert_eq!(retry_after_ms(Some("18446744073709551615"), 0), Some(RETRY_AFTER_MS_MAX));
    assert_eq!(retry_after_ms(Some("soon"), 0), None);
    assert_eq!(retry_after_ms(None, 0), None);
}

proptest! {
    #[test]
    fn never_panics_and_only_2xx_accepts(http in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..80), header in "\\PC{0,40}") {
        let answer = Answer { http_status: http, retry_after: Some(&header), body: Some(&body), now_ms: 0 };
        if let SendOutcome::Accepted { .. } = classify_send(answer) {
            prop_assert!((200..300).contains(&http));
        }
    }
}
