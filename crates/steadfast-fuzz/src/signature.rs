//! The signature of a request.

use crate::input::{line, lossy, number, text_line};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use steadfast_gateway::signature::{
    AuthToken, Failure, Payload, Secrets, Seen, SharedKey, Verdict, VerifyInput, explain, sign, sign_sha256,
    verify,
};
use steadfast_gateway::{Secret, form};

const TOKEN: &str = "6c7d8e9f0a1b2c3d4e5f60718293a4b5";
const KEY: &str = "shared-key-5f60718293a4b56c7d8e9f0a";
const KEY_ID: &str = "webhooks_sharedkey_1";
const SETTINGS: &str = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256";

type Pairs = [(String, String)];

/// Lines: a URL; a header and settings, tab between; a number; and the form. Whatever the header says is
/// refused without a panic and without giving the signature away; what is signed verifies; and it verifies
/// after a change exactly if the change leaves the signed text as it was.
pub fn signature(data: &[u8]) {
    let (url, rest) = text_line(data);
    let (headers, rest) = text_line(rest);
    let (pick, body) = line(rest);
    let case = Case { url, secrets: secrets(), pick: number(pick) };
    let Ok(pairs) = form::parse(body, 1_000) else {
        case.json(body);
        return;
    };
    case.hostile(headers, &pairs);
    case.signed(&pairs);
    case.json(body);
}

fn secrets() -> Secrets {
    let token =
        |label: &str, secret: &str| AuthToken { label: label.to_owned(), secret: Secret::new(secret) };
    Secrets {
        auth_tokens: vec![token("old", "another-token-that-nobody-uses"), token("primary", TOKEN)],
        shared_keys: vec![SharedKey { id: KEY_ID.to_owned(), secret: Secret::new(KEY) }],
    }
}

struct Case<'a> {
    url: &'a str,
    secrets: Secrets,
    pick: usize,
}

impl Case<'_> {
    fn check(&self, url: &str, payload: Payload<'_>, header: &str, settings: &[&str]) -> Verdict {
        let (urls, signature) = ([url.to_owned()], [header]);
        let input =
            VerifyInput { urls: &urls, payload, signature: &signature, settings, secrets: &self.secrets };
        let verdict = verify(&input);
        if let Verdict::Invalid(failure) = verdict {
            self.explained(failure, input);
        }
        verdict
    }

    /// The explanation of a failure tells nothing that the request did not bring itself.
    fn explained(&self, failure: Failure, input: VerifyInput<'_>) {
        let seen =
            Seen { input, host: Some(self.url), forwarded_host: None, paths: &["/webhook/twilio", "/a/b"] };
        let said = explain(failure, &seen).to_string();
        let Payload::Form(pairs) = input.payload else { return };
        let url = &input.urls[0];
        for right in [sign(&Secret::new(TOKEN), url, pairs), sign_sha256(&Secret::new(KEY), url, pairs)] {
            assert!(!said.contains(&right), "an explanation holds the right signature");
        }
        assert!(said.len() <= 4_096, "an explanation of {} bytes", said.len());
    }

    fn hostile(&self, headers: &str, pairs: &Pairs) {
        let (header, settings) = headers.split_once('\t').unwrap_or((headers, ""));
        let settings: &[&str] = if settings.is_empty() { &[] } else { &[settings] };
        let verdict = self.check(self.url, Payload::Form(pairs), header, settings);
        assert!(matches!(verdict, Verdict::Invalid(_)), "made up, and believed");
    }

    fn signed(&self, pairs: &Pairs) {
        let token = sign(&Secret::new(TOKEN), self.url, pairs);
        let shared = sign_sha256(&Secret::new(KEY), self.url, pairs);
        for (header, settings, label) in [(&token, &[][..], "primary"), (&shared, &[SETTINGS][..], KEY_ID)] {
            match self.check(self.url, Payload::Form(pairs), header, settings) {
                Verdict::Valid(matched) => assert_eq!(matched.label, label),
                Verdict::Invalid(failure) => panic!("signed, and not believed: {failure}"),
            }
            self.changed_header(header, settings, pairs);
            self.changed_field(header, settings, pairs);
            self.changed_path(header, settings, pairs);
        }
    }

    fn changed_header(&self, header: &str, settings: &[&str], pairs: &Pairs) {
        let mut bytes = STANDARD.decode(header).expect("our own signature");
        let at = self.pick % bytes.len();
        bytes[at] ^= 1 << (self.pick % 8);
        let verdict = self.check(self.url, Payload::Form(pairs), &STANDARD.encode(bytes), settings);
        assert_eq!(verdict, Verdict::Invalid(Failure::Mismatch), "a changed signature");
    }

    fn changed_field(&self, header: &str, settings: &[&str], pairs: &Pairs) {
        if pairs.is_empty() {
            return;
        }
        let mut other = pairs.to_vec();
        let (name, value) = &mut other[self.pick % pairs.len()];
        match self.pick / pairs.len() % 4 {
            0 => value.push('x'),
            1 => name.push('x'),
            2 => drop(value.pop()),
            _ => *value = value.replacen(char::is_alphanumeric, "~", 1),
        }
        let verdict = self.check(self.url, Payload::Form(&other), header, settings);
        let same = signed_text(pairs) == signed_text(&other);
        assert_eq!(matches!(verdict, Verdict::Valid(_)), same, "a changed field");
    }

    /// A letter of the path or query is another one. Port, host and scheme are not touched here: those have
    /// several right spellings.
    fn changed_path(&self, header: &str, settings: &[&str], pairs: &Pairs) {
        let Some(authority) = self.url.find("://").map(|at| at + 3) else { return };
        let Some(path) = self.url[authority..].find('/').map(|at| authority + at) else { return };
        let letters: Vec<usize> =
            (path..self.url.len()).filter(|&at| self.url.as_bytes()[at].is_ascii_alphanumeric()).collect();
        if letters.is_empty() {
            return;
        }
        let at = letters[self.pick % letters.len()];
        let other = format!("{}~{}", &self.url[..at], &self.url[at + 1..]);
        let verdict = self.check(&other, Payload::Form(pairs), header, settings);
        assert_eq!(verdict, Verdict::Invalid(Failure::Mismatch), "a changed path");
    }

    /// A body that is no form is signed by its hash in the query.
    fn json(&self, body: &[u8]) {
        let hash = hex::encode(Sha256::digest(body));
        let url = format!("https://h/webhook?bodySHA256={hash}");
        let header = sign(&Secret::new(TOKEN), &url, &[]);
        let verdict = self.check(&url, Payload::Raw(body), &header, &[]);
        assert!(matches!(verdict, Verdict::Valid(_)), "a body with its hash");
        let mut other = body.to_vec();
        other.push(b' ');
        let verdict = self.check(&url, Payload::Raw(&other), &header, &[]);
        assert_eq!(verdict, Verdict::Invalid(Failure::BodyHashMismatch), "a longer body");
        let header = sign(&Secret::new(TOKEN), self.url, &[]);
        let said = lossy(self.url.as_bytes()).contains("bodySHA256") || self.url.contains('%');
        let verdict = self.check(self.url, Payload::Raw(body), &header, &[]);
        if !said {
            assert_eq!(verdict, Verdict::Invalid(Failure::BodyHashMissing), "a body without its hash");
        }
    }
}

/// What is signed behind the URL, said a second time and in other words: distinct pairs in byte order.
fn signed_text(pairs: &Pairs) -> Vec<u8> {
    let distinct: BTreeSet<(&[u8], &[u8])> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    distinct.into_iter().flat_map(|(name, value)| [name, value].concat()).collect()
}
