//! Why a signature did not match, in words for an operator.
//!
//! Computed only after a failure, and only within a bound: a bad request must not buy much work. Nothing
//! derived from a secret is said, above all not the signature that would have been right.

use super::hypotheses::{field_changes, secret_changes, url_changes};
use super::settings;
use super::sign::{Algorithm, decode, mac, signed_fields};
use super::url::{Parts, spellings};
use super::verify::{Failure, Payload, VerifyInput};
use std::fmt;
use subtle::ConstantTimeEq;

/// The most bytes hashed for one explanation: about a millisecond.
const HASHED_BYTES_MAX: usize = 1024 * 1024;
/// The most characters of anything the request chose that one hint repeats.
pub(super) const QUOTED_CHARS_MAX: usize = 120;

/// A failed request and what else was seen of it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What was verified.
    pub input: VerifyInput<'a>,
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The `X-Forwarded-Host` header, believed or not.
    pub forwarded_host: Option<&'a str>,
    /// Paths under which webhooks are taken.
    pub paths: &'a [&'a str],
}

/// Why a request was not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the verification said.
    pub failure: Failure,
    /// What would have matched, or what to look at; most telling first.
    pub hints: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.failure)?;
        for hint in &self.hints {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// Explains `failure` of the request in `seen`.
pub fn explain(failure: Failure, seen: &Seen<'_>) -> Explanation {
    let hints = match failure {
        Failure::HeaderMissing => vec![
            "either the request is not Twilio's, or a proxy in front drops the header".to_owned(),
        ],
        Failure::HeaderMalformed => malformed(seen),
        Failure::SettingsMalformed | Failure::UnknownAlgorithm => vec![
            "only shared keys with HMAC_SHA256 are understood; look for an update, or let Twilio sign with the auth token".to_owned(),
        ],
        Failure::UnknownKey => vec![unknown_key(seen)],
        Failure::NoSecret => vec!["configure the account's auth token".to_owned()],
        Failure::BodyHashMissing => vec![
            "Twilio adds bodySHA256 to every URL it sends JSON to; a proxy may have cut the query off".to_owned(),
        ],
        Failure::BodyHashMismatch => vec!["the body was changed on the way, or is not Twilio's".to_owned()],
        Failure::Mismatch => mismatch(seen),
    };
    Explanation { failure, hints }
}

fn malformed(seen: &Seen<'_>) -> Vec<String> {
    if seen.input.signature.len() > 1 {
        return vec!["the header came more than once".to_owned()];
    }
    let header = seen.input.signature.first().copied().unwrap_or_default();
    if decode(header, Algorithm::HmacSha256).is_some() && seen.input.settings.is_empty() {
        return vec![
            "it has the length of a shared key's signature, but X-Twilio-Webhooks-Signature-Settings is missing: a proxy may drop that header".to_owned(),
        ];
    }
    if decode(header, Algorithm::HmacSha1).is_some() {
        return vec![
            "it has the length of an auth token's signature, but the settings header names a shared key"
                .to_owned(),
        ];
    }
    Vec::new()
}

fn unknown_key(seen: &Seen<'_>) -> String {
    let id = seen.input.settings.first().and_then(|header| settings::parse(header)).map_or("", |s| s.key);
    let known = seen.input.secrets.shared_keys.len();
    format!("it names `{}`; {known} shared keys are configured", quoted(id))
}

fn mismatch(seen: &Seen<'_>) -> Vec<String> {
    let header = seen.input.signature.first().copied().unwrap_or_default();
    let algorithm = if seen.input.settings.is_empty() { Algorithm::HmacSha1 } else { Algorithm::HmacSha256 };
    let (Some(signature), Some(url)) = (decode(header, algorithm), seen.input.urls.first()) else {
        return Vec::new();
    };
    let Some(parts) = Parts::of(url) else {
        return vec![format!("the public URL `{}` has no scheme", quoted(url))];
    };
    let mut search = Search { algorithm, signature, budget_bytes: HASHED_BYTES_MAX, exhausted: false };
    let hint = search.urls(seen, parts).or_else(|| search.fields(seen)).or_else(|| search.secrets(seen));
    match hint {
        Some(hint) => vec![hint],
        None => unexplained(seen, url, search.exhausted),
    }
}

fn unexplained(seen: &Seen<'_>, url: &str, exhausted: bool) -> Vec<String> {
    let mut hints = vec![
        "no likely change of URL, fields or secret makes it match: the auth token is another one (rotated, a subaccount's, an API key's secret), or the request is not Twilio's".to_owned(),
        format!("verified against `{}`", shown_url(url)),
    ];
    if let Payload::Form(fields) = seen.input.payload
        && let Some((_, account)) = fields.iter().find(|(name, _)| name == "AccountSid")
        && let Ok(account) = steadfast_core::message::AccountSid::parse(account.as_str())
    {
        hints.push(format!("the form names account {account}: is the token that account's?"));
    }
    if exhausted {
        hints.push("the request is large, so not every change was tried".to_owned());
    }
    hints
}

/// Tries changed requests until one matches or the budget is spent.
struct Search {
    algorithm: Algorithm,
    signature: Vec<u8>,
    budget_bytes: usize,
    exhausted: bool,
}

impl Search {
    fn matches(&mut self, key: &str, url: &str, fields: &[u8]) -> bool {
        let cost = url.len() + fields.len() + 128;
        if cost > self.budget_bytes {
            self.exhausted = true;
            return false;
        }
        self.budget_bytes -= cost;
        bool::from(mac(self.algorithm, key, url, fields).ct_eq(&self.signature))
    }

    fn any_key_matches(&mut self, keys: &[&str], url: &str, fields: &[u8]) -> bool {
        keys.iter().any(|key| self.matches(key, url, fields))
    }

    fn urls(&mut self, seen: &Seen<'_>, parts: Parts<'_>) -> Option<String> {
        let keys = keys(seen, self.algorithm);
        let fields = fields_of(seen);
        for (url, what) in url_changes(seen, parts) {
            for (_, spelling) in spellings(&url) {
                if self.any_key_matches(&keys, &spelling, &fields) {
                    return Some(format!(
                        "it would match for `{}`, that is {what}: set public_base_url, or the URL at Twilio, so that both are the same",
                        shown_url(&url)
                    ));
                }
            }
        }
        None
    }

    fn fields(&mut self, seen: &Seen<'_>) -> Option<String> {
        let Payload::Form(params) = seen.input.payload else {
            return None;
        };
        let keys = keys(seen, self.algorithm);
        for (fields, what) in field_changes(params) {
            for (_, url) in seen.input.urls.iter().flat_map(|url| spellings(url)) {
                if self.any_key_matches(&keys, &url, &fields) {
                    return Some(format!(
                        "it would match {what}: the sender signs wrongly, or a proxy changes the form"
                    ));
                }
            }
        }
        None
    }

    fn secrets(&mut self, seen: &Seen<'_>) -> Option<String> {
        let fields = fields_of(seen);
        for (key, what) in secret_changes(seen.input.secrets) {
            for (_, url) in seen.input.urls.iter().flat_map(|url| spellings(url)) {
                if self.matches(&key, &url, &fields) {
                    return Some(format!("it would match with {what}"));
                }
            }
        }
        None
    }
}

fn keys<'a>(seen: &Seen<'a>, algorithm: Algorithm) -> Vec<&'a str> {
    let secrets = seen.input.secrets;
    match algorithm {
        Algorithm::HmacSha1 => secrets.auth_tokens.iter().map(|token| token.secret.expose()).collect(),
        Algorithm::HmacSha256 => secrets.shared_keys.iter().map(|key| key.secret.expose()).collect(),
    }
}

fn fields_of(seen: &Seen<'_>) -> Vec<u8> {
    match seen.input.payload {
        Payload::Form(params) => signed_fields(params),
        Payload::Raw(_) => Vec::new(),
    }
}

/// `text` as far as it may be repeated: bounded, no control characters.
pub(super) fn quoted(text: &str) -> String {
    let shown: String =
        text.chars().take(QUOTED_CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if shown.len() < text.len() { shown + "…" } else { shown }
}

/// A URL as far as it may be repeated: without user and password, and without the query's values.
fn shown_url(url: &str) -> String {
    let Some(parts) = Parts::of(url) else {
        return quoted(url);
    };
    let userinfo = if parts.userinfo.is_empty() { "" } else { "***@" };
    let names: Vec<&str> = parts
        .query
        .trim_start_matches('?')
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split('=').next().unwrap_or(pair))
        .collect();
    let query = if names.is_empty() { String::new() } else { format!("?{}=…", names.join("=…&")) };
    quoted(&Parts { userinfo, query: &query, ..parts }.join())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_keeps_passwords_and_values_to_itself() {
        assert_eq!(
            shown_url("https://user:pass@example.com:8443/a?o=123&flag&x='1'"),
            "https://***@example.com:8443/a?o=…&flag=…&x=…"
        );
        assert!(
            shown_url(&format!("https://h/{}", "a".repeat(1_000))).chars().count() <= QUOTED_CHARS_MAX + 1
        );
        assert_eq!(quoted("a\nb"), "a\u{fffd}b");
    }
}
