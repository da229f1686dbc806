//! The signature, against the cases that Twilio's own libraries agree on.

use crate::support::{Pairs, pairs};
use proptest::prelude::*;
use serde_json::Value;
use steadfast_gateway::signature::{
    AuthToken, Failure, Payload, Secrets, SharedKey, Spelling, Verdict, VerifyInput, sign, sign_sha256,
    verify,
};
use steadfast_gateway::{Secret, form};

const SHARED_KEY: &str = "webhooks_sharedkey_00000000000000000000000001";

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/twilio_signature.json")).expect("JSON");
    file["cases"].as_array().expect("cases").clone()
}

fn params(case: &Value) -> Pairs {
    let list = case["params"].as_array().expect("params").iter();
    list.map(|pair| (pair[0].as_str().expect("name").to_owned(), pair[1].as_str().expect("value").to_owned()))
        .collect()
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} of {}", case["name"]))
}

fn check(
    url: &str,
    payload: Payload<'_>,
    signature: &[&str],
    settings: &[&str],
    secrets: &Secrets,
) -> Verdict {
    verify(&VerifyInput { urls: &[url.to_owned()], payload, signature, settings, secrets })
}

fn shared(secret: &str) -> Secrets {
    let key = SharedKey { id: SHARED_KEY.to_owned(), secret: Secret::new(secret) };
    Secrets { auth_tokens: Vec::new(), shared_keys: vec![key] }
}

#[test]
fn every_published_case_is_decided_as_published() {
    let cases = vectors();
    assert!(cases.len() >= 34);
    for case in &cases {
        let params = params(case);
        let settings = case["headers"]["X-Twilio-Webhooks-Signature-Settings"].as_str();
        let secrets = if settings.is_some() {
            shared(text(case, "auth_token"))
        } else {
            Secrets::token(text(case, "auth_token"))
        };
        let payload = match case["json_body"].as_str() {
            Some(body) => Payload::Raw(body.as_bytes()),
            None => Payload::Form(&params),
        };
        let settings: Vec<&str> = settings.into_iter().collect();
        let verdict = check(text(case, "url"), payload, &[text(case, "signature")], &settings, &secrets);
        let valid = matches!(verdict, Verdict::Valid(_));
        assert_eq!(valid, case["expect"].as_bool().expect("expect"), "{}: {verdict:?}", case["name"]);
    }
}

#[test]
fn the_signed_string_is_the_published_one() {
    for case in vectors().iter().filter(|case| case["signed_string"].is_string()) {
        let secret = Secret::new(text(case, "auth_token"));
        let whole = text(case, "signed_string");
        let direct = if case["algorithm"] == "HMAC_SHA256" {
            sign_sha256(&secret, whole, &[])
        } else {
            sign(&secret, whole, &[])
        };
        assert_eq!(direct, text(case, "signature"), "{}", case["name"]);
    }
}

#[test]
fn a_raw_form_body_is_decoded_into_the_published_fields() {
    let cases = vectors();
    let case = cases.iter().find(|case| case["raw_form_body"].is_string()).expect("one has a raw body");
    let parsed = form::parse(text(case, "raw_form_body").as_bytes(), 100).expect("a form");
    assert_eq!(parsed, params(case));
}

#[test]
fn a_raw_body_without_its_hash_is_a_mismatch_and_no_error() {
    let (url, secrets) = ("https://mycompany.com/myapp.php?foo=1", Secrets::token("12345"));
    let signature = sign(&Secret::new("12345"), url, &[]);
    let verdict = check(url, Payload::Raw(b"{}"), &[&signature], &[], &secrets);
    assert_eq!(verdict, Verdict::Invalid(Failure::BodyHashMissing));
    for hash in ["", "zz", "44136fa355b3678a", &"0".repeat(64), &"é".repeat(32)] {
        let url = format!("{url}&bodySHA256={hash}");
        let signature = sign(&Secret::new("12345"), &url, &[]);
        let verdict = check(&url, Payload::Raw(b"{}"), &[&signature], &[], &secrets);
        assert_eq!(verdict, Verdict::Invalid(Failure::BodyHashMismatch), "{hash}");
    }
}

#[test]
fn a_right_hash_does_not_replace_the_signature() {
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let url = format!("https://h/a?bodySHA256={hash}");
    let forged = sign(&Secret::new("guess"), &url, &[]);
    let verdict = check(&url, Payload::Raw(b"{}"), &[&forged], &[], &Secrets::token("12345"));
    assert_eq!(verdict, Verdict::Invalid(Failure::Mismatch));
}

#[test]
fn every_secret_is_tried_and_the_one_that_matched_is_named() {
    let token =
        |label: &str, secret: &str| AuthToken { label: label.to_owned(), secret: Secret::new(secret) };
    let secrets = Secrets {
        auth_tokens: vec![token("primary", "a"), token("old", "b"), token("empty", "")],
        shared_keys: Vec::new(),
    };
    let url = "https://h:8443/a";
    for (secret, label) in [("a", "primary"), ("b", "old")] {
        let signature = sign(&Secret::new(secret), "https://h/a", &[]);
        let Verdict::Valid(matched) = check(url, Payload::Form(&[]), &[&signature], &[], &secrets) else {
            panic!("{label} matches")
        };
        assert_eq!((matched.label.as_str(), matched.spelling), (label, Spelling::WithoutPort));
    }
    // An empty secret is no secret, or everybody could sign.
    let signature = sign(&Secret::new(""), url, &[]);
    let verdict = check(url, Payload::Form(&[]), &[&signature], &[], &secrets);
    assert_eq!(verdict, Verdict::Invalid(Failure::Mismatch));
    let verdict = check(url, Payload::Form(&[]), &[&signature], &[], &Secrets::token(""));
    assert_eq!(verdict, Verdict::Invalid(Failure::NoSecret));
}

#[test]
fn the_settings_header_fails_closed() {
    let (url, secrets) = ("https://h/a", shared("key"));
    let signature = sign_sha256(&Secret::new("key"), url, &[]);
    let decide = |settings: &[&str], secrets: &Secrets| {
        check(url, Payload::Form(&[]), &[&signature], settings, secrets)
    };
    let good = format!("key={SHARED_KEY},algorithm=HMAC_SHA256");
    assert!(matches!(decide(&[&good], &secrets), Verdict::Valid(matched) if matched.label == SHARED_KEY));
    let unknown_algorithm = format!("key={SHARED_KEY},algorithm=HMAC_SHA512");
    assert_eq!(decide(&[&unknown_algorithm], &secrets), Verdict::Invalid(Failure::UnknownAlgorithm));
    let none = format!("key={SHARED_KEY},algorithm=none");
    assert_eq!(decide(&[&none], &secrets), Verdict::Invalid(Failure::UnknownAlgorithm));
    let unknown_key = "key=webhooks_sharedkey_2,algorithm=HMAC_SHA256";
    assert_eq!(decide(&[unknown_key], &secrets), Verdict::Invalid(Failure::UnknownKey));
    assert_eq!(decide(&[""], &secrets), Verdict::Invalid(Failure::SettingsMalformed));
    assert_eq!(decide(&[&good, &good], &secrets), Verdict::Invalid(Failure::SettingsMalformed));
    // An auth token never verifies what a shared key should have signed, nor the other way round.
    assert_eq!(decide(&[&good], &Secrets::token("key")), Verdict::Invalid(Failure::UnknownKey));
    assert_eq!(decide(&[], &secrets), Verdict::Invalid(Failure::NoSecret));
    assert_eq!(decide(&[], &Secrets::token("key")), Verdict::Invalid(Failure::HeaderMalformed));
}

#[test]
fn a_signature_is_one_header() {
    let (url, secrets) = ("https://h/a", Secrets::token("12345"));
    let good = sign(&Secret::new("12345"), url, &[]);
    let decide = |headers: &[&str]| check(url, Payload::Form(&[]), headers, &[], &secrets);
    assert!(matches!(decide(&[&good]), Verdict::Valid(_)));
    assert_eq!(decide(&[]), Verdict::Invalid(Failure::HeaderMissing));
    assert_eq!(decide(&[""]), Verdict::Invalid(Failure::HeaderMissing));
    assert_eq!(decide(&[&good, &good]), Verdict::Invalid(Failure::HeaderMalformed));
    let listed = format!("{good},{good}");
    assert_eq!(decide(&[&listed]), Verdict::Invalid(Failure::HeaderMalformed));
}

#[test]
fn quotes_in_the_query_match_in_either_spelling() {
    let (raw, encoded) = ("https://h/a?name='o'", "https://h/a?name=%27o%27");
    for signed in [raw, encoded] {
        let signature = sign(&Secret::new("12345"), signed, &[]);
        let verdict = check(raw, Payload::Form(&[]), &[&signature], &[], &Secrets::token("12345"));
        assert!(matches!(verdict, Verdict::Valid(_)), "{signed}");
    }
}

fn small_form() -> impl Strategy<Value = String> {
    prop::collection::vec(("[A-Z][a-z]{1,6}", "[a-z0-9]{1,8}"), 1..8).prop_map(|pairs| form::encode(&pairs))
}

proptest! {
    #[test]
    fn one_changed_letter_anywhere_fails(
        body in small_form(),
        path in "/[a-z]{1,8}(\\?[a-z]=[a-z0-9]{1,4})?",
        at in any::<prop::sample::Index>(),
        letter in "[a-zA-Z0-9]",
        part in 0_usize..3,
    ) {
        let url = format!("https://bot.example.com{path}");
        let secrets = Secrets::token("12345");
        let parse = |body: &str| form::parse(body.as_bytes(), 100).expect("a form");
        let signature = sign(&Secret::new("12345"), &url, &parse(&body));
        let verdict = check(&url, Payload::Form(&parse(&body)), &[&signature], &[], &secrets);
        prop_assert!(matches!(verdict, Verdict::Valid(_)));

        let (mut url, mut body, mut signature) = (url, body, signature);
        let changed = [&mut url, &mut body, &mut signature].into_iter().nth(part).expect("a part");
        let letters: Vec<usize> = changed.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
        let place = *at.get(&letters);
        prop_assume!(changed[place..=place] != letter);
        changed.replace_range(place..=place, &letter);
        let verdict = check(&url, Payload::Form(&parse(&body)), &[&signature], &[], &secrets);
        prop_assert!(matches!(verdict, Verdict::Invalid(_)), "{} {} {}", url, body, signature);
    }

    #[test]
    fn nothing_makes_it_panic(url in ".*", signature in ".*", settings in prop::option::of(".*"), body in prop::collection::vec(any::<u8>(), 0..64)) {
        let secrets = Secrets { auth_tokens: Secrets::token("12345").auth_tokens, ..shared("key") };
        let settings: Vec<&str> = settings.as_deref().into_iter().collect();
        let form = pairs(&[(url.as_str(), signature.as_str())]);
        for payload in [Payload::Raw(&body), Payload::Form(&form)] {
            prop_assert!(matches!(check(&url, payload, &[&signature], &settings, &secrets), Verdict::Invalid(_)));
        }
    }
}
