//! What an operator is told about a signature that does not match.

use crate::support::{Pairs, pairs, text_message};
use proptest::prelude::*;
use steadfast_gateway::Secret;
use steadfast_gateway::signature::{
    AuthToken, Payload, Secrets, Seen, SharedKey, Verdict, VerifyInput, explain, sign, sign_sha256, verify,
};

const PATHS: [&str; 2] = ["/webhook/twilio", "/webhook/whatsapp"];
const OURS: &str = "https://bot.example.com/bot/webhook/twilio";
const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

struct Case<'a> {
    url: &'a str,
    params: Pairs,
    signature: Vec<String>,
    settings: Option<&'a str>,
    host: Option<&'a str>,
    secrets: Secrets,
}

impl<'a> Case<'a> {
    fn signed(url: &'a str, signature: String) -> Self {
        let params = text_message(1, "hi");
        Self {
            url,
            params,
            signature: vec![signature],
            settings: None,
            host: None,
            secrets: Secrets::token(TOKEN),
        }
    }

    fn explanation(&self) -> String {
        let urls = [self.url.to_owned()];
        let signature: Vec<&str> = self.signature.iter().map(String::as_str).collect();
        let settings: Vec<&str> = self.settings.into_iter().collect();
        let input = VerifyInput {
            urls: &urls,
            payload: Payload::Form(&self.params),
            signature: &signature,
            settings: &settings,
            secrets: &self.secrets,
        };
        let Verdict::Invalid(failure) = verify(&input) else { panic!("it must not verify") };
        explain(failure, &Seen { input, host: self.host, forwarded_host: None, paths: &PATHS }).to_string()
    }
}

/// The explanation where Twilio signed `signed` and we believe to be `ours`.
fn url_case(ours: &str, signed: &str, host: Option<&str>) -> String {
    let signature = sign(&Secret::new(TOKEN), signed, &text_message(1, "hi"));
    Case { host, ..Case::signed(ours, signature) }.explanation()
}

#[test]
fn a_different_url_is_named() {
    for (signed, expected) in [
        ("http://bot.example.com/bot/webhook/twilio", "that is http instead of https"),
        ("http://bot.example.com:80/bot/webhook/twilio", "that is http instead of https"),
        ("https://bot.example.com/bot/webhook/twilio/", "that is with a trailing slash"),
        ("https://bot.example.com/bot/webhook/whatsapp", "that is the path `/bot/webhook/whatsapp`"),
        ("https://bot.example.com/webhook/twilio", "that is the path `/webhook/twilio`, without the prefix"),
        (
            "https://tunnel.example/bot/webhook/twilio",
            "host `tunnel.example` (the Host header) instead of `bot.example.com`",
        ),
        (
            "http://tunnel.example/bot/webhook/twilio/",
            "http instead of https and host `tunnel.example` (the Host header) instead of `bot.example.com` and with a trailing slash",
        ),
    ] {
        let explanation = url_case(OURS, signed, Some("tunnel.example"));
        assert!(explanation.contains(expected), "{signed}: {explanation}");
        assert!(
            explanation.starts_with("the signature does not match; it would match for `"),
            "{explanation}"
        );
    }
}

#[test]
fn a_rewritten_query_is_named() {
    let ours = "https://h/webhook/twilio?b=%20x&a=1";
    for (signed, expected) in [
        ("https://h/webhook/twilio", "without the query"),
        ("https://h/webhook/twilio?a=1&b=%20x", "with the query's parameters sorted"),
        ("https://h/webhook/twilio?b=+x&a=1", "with the query encoded anew"),
    ] {
        let explanation = url_case(ours, signed, None);
        assert!(explanation.contains(expected), "{signed}: {explanation}");
        assert!(!explanation.contains("%20x"), "values of the query stay out: {explanation}");
    }
}

#[test]
fn changed_fields_are_named() {
    let mut params = text_message(1, "");
    params.push(("ProfileName".to_owned(), "second  ".to_owned()));
    params.push(("Some New Field".to_owned(), "x".to_owned()));
    let explain_signed = |signed: &[(String, String)]| {
        let signature = sign(&Secret::new(TOKEN), OURS, signed);
        Case { params: params.clone(), ..Case::signed(OURS, signature) }.explanation()
    };
    let kept = |keep: &dyn Fn(&str, &str) -> bool| -> Pairs {
        params.iter().filter(|(name, value)| keep(name, value)).cloned().collect()
    };
    let trimmed: Pairs = params.iter().map(|(n, v)| (n.clone(), v.trim().to_owned())).collect();
    assert!(explain_signed(&[]).contains("with no fields at all"));
    assert!(explain_signed(&trimmed).contains("with spaces trimmed from the values"));
    assert!(explain_signed(&kept(&|_, value| !value.is_empty())).contains("without the empty fields"));
    assert!(
        explain_signed(&kept(&|name, _| !name.starts_with("Some"))).contains("without the less known fields")
    );
    assert!(explain_signed(&kept(&|_, value| value != "second  ")).contains("only the first value"));
    let raw = steadfast_gateway::form::encode(&params);
    assert!(explain_signed(&pairs(&[(raw.as_str(), "")])).contains("raw form instead of sorted fields"));
}

#[test]
fn a_wrong_secret_is_named_as_far_as_it_can_be() {
    let params = text_message(1, "hi");
    let placeholder = Case::signed(OURS, sign(&Secret::new("your_auth_token"), OURS, &params)).explanation();
    assert!(placeholder.contains("a placeholder out of documentation"), "{placeholder}");

    let mut quoted = Case::signed(OURS, sign(&Secret::new(TOKEN), OURS, &params));
    quoted.secrets.auth_tokens =
        vec![AuthToken { label: "primary".to_owned(), secret: Secret::new(format!("\"{TOKEN}\"\n")) }];
    assert!(
        quoted.explanation().contains("secret `primary` without the spaces or quotes"),
        "{}",
        quoted.explanation()
    );

    let unknown = Case::signed(OURS, sign(&Secret::new("somebody else's"), OURS, &params)).explanation();
    assert!(unknown.contains("the auth token is another one"), "{unknown}");
    assert!(unknown.contains("the form names account AC00000000000000000000000000000000"), "{unknown}");
}

#[test]
fn header_troubles_are_named() {
    let with = |signature: Vec<String>, settings| {
        Case { signature, settings, ..Case::signed(OURS, String::new()) }.explanation()
    };
    assert!(with(vec![], None).contains("a proxy in front drops the header"));
    assert!(with(vec!["rubbish".to_owned()], None).contains("is not one base64 text"));
    assert!(with(vec!["a".to_owned(), "b".to_owned()], None).contains("more than once"));
    let sha256 = sign_sha256(&Secret::new("key"), OURS, &[]);
    assert!(with(vec![sha256.clone()], None).contains("X-Twilio-Webhooks-Signature-Settings is missing"));
    let settings = "key=webhooks_sharedkey_9,algorithm=HMAC_SHA256";
    assert!(with(vec![sha256.clone()], Some(settings)).contains("`webhooks_sharedkey_9`; 0 shared keys"));
    let algorithm = "key=webhooks_sharedkey_9,algorithm=HMAC_SHA512";
    assert!(with(vec![sha256], Some(algorithm)).contains("only shared keys with HMAC_SHA256"));

    let mut short = Case::signed(OURS, sign(&Secret::new("key"), OURS, &[]));
    short.settings = Some(settings);
    short.secrets.shared_keys =
        vec![SharedKey { id: "webhooks_sharedkey_9".to_owned(), secret: Secret::new("key") }];
    assert!(short.explanation().contains("but the settings header names a shared key"));
}

#[test]
fn no_explanation_tells_anything_of_a_secret_or_the_right_signature() {
    let params = text_message(1, "the text of a person");
    let right = sign(&Secret::new(TOKEN), OURS, &params);
    let wrong = sign(&Secret::new("somebody else's"), OURS, &params);
    for case in [
        Case::signed("https://user:pass@bot.example.com/x?o=hidden", right.clone()),
        Case::signed(OURS, wrong),
    ] {
        let explanation = Case { params: params.clone(), ..case }.explanation();
        for secret in [
            TOKEN,
            right.as_str(),
            &right[..6],
            "user:pass",
            "hidden",
            "the text of a person",
            "9779800000000",
        ] {
            assert!(!explanation.contains(secret), "{explanation}");
        }
    }
}

#[test]
fn a_large_request_does_not_buy_much_work() {
    let mut case = Case::signed(OURS, sign(&Secret::new("somebody else's"), OURS, &[]));
    case.params = (0..1_000).map(|n| (format!("Field{n}"), "x".repeat(50))).collect();
    assert!(case.explanation().contains("not every change was tried"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(url in ".*", host in prop::option::of(".*"), signature in "[A-Za-z0-9+/]{27}=", name in ".*", value in ".*") {
        let mut case = Case::signed(&url, signature);
        case.host = host.as_deref();
        case.params = pairs(&[(name.as_str(), value.as_str())]);
        let _ = case.explanation();
    }
}
