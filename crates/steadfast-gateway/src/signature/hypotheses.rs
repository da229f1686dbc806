//! What is usually wrong when a signature does not match: the changes that an explanation tries.

use super::explain::{Seen, quoted};
use super::sign::{concatenated, signed_fields};
use super::url::Parts;
use super::verify::Secrets;
use std::borrow::Cow;
use std::collections::HashSet;

/// Secrets out of documentation and templates, which some set-ups sign with by mistake.
const PLACEHOLDERS: [&str; 14] = [
    "",
    "12345",
    "test",
    "secret",
    "token",
    "auth_token",
    "changeme",
    "change_me",
    "your_auth_token",
    "your_auth_token_here",
    "YOUR_AUTH_TOKEN",
    "your-auth-token",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "00000000000000000000000000000000",
];

/// Fields that a sender who knows only the documented ones would sign.
const KNOWN_FIELDS: [&str; 15] = [
    "AccountSid",
    "ApiVersion",
    "Body",
    "From",
    "MessageSid",
    "MessageStatus",
    "NumMedia",
    "NumSegments",
    "ProfileName",
    "SmsMessageSid",
    "SmsSid",
    "SmsStatus",
    "To",
    "WaId",
    "MessageType",
];

/// One part of a URL as it is (`None`), or as it might be instead and what that changes.
type Choice<'a> = (Cow<'a, str>, Option<String>);

/// URLs that Twilio may have signed instead of `parts`, those with the fewest changes first, each with
/// what was changed.
pub(super) fn url_changes(seen: &Seen<'_>, parts: Parts<'_>) -> Vec<(String, String)> {
    let mut found: Vec<(usize, String, String)> = Vec::new();
    let targets = targets(seen, parts);
    for (scheme, scheme_change) in &schemes(parts) {
        for (authority, host_change) in &hosts(seen, parts) {
            for (target, target_change) in &targets {
                let changes: Vec<&str> = [scheme_change, host_change, target_change]
                    .into_iter()
                    .filter_map(|change| change.as_deref())
                    .collect();
                if !changes.is_empty() {
                    let url = format!("{scheme}://{authority}{target}");
                    found.push((changes.len(), url, changes.join(" and ")));
                }
            }
        }
    }
    found.sort_by_key(|(changes, _, _)| *changes);
    found.into_iter().map(|(_, url, what)| (url, what)).collect()
}

fn schemes<'a>(parts: Parts<'a>) -> Vec<Choice<'a>> {
    let other = if parts.scheme.eq_ignore_ascii_case("https") { "http" } else { "https" };
    let what = format!("{other} instead of {}", parts.scheme);
    vec![(parts.scheme.into(), None), (other.into(), Some(what))]
}

fn hosts<'a>(seen: &Seen<'a>, parts: Parts<'a>) -> Vec<Choice<'a>> {
    let Parts { userinfo, host, port, .. } = parts;
    let with_port = |host: &str| match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let configured = with_port(host);
    let mut all: Vec<Choice<'a>> = vec![(format!("{userinfo}{configured}").into(), None)];
    let mut add = |authority: String, what: String| {
        if !all.iter().any(|(known, _)| *known == authority) {
            all.push((authority.into(), Some(what)));
        }
    };
    for (header, value) in [("Host", seen.host), ("X-Forwarded-Host", seen.forwarded_host)] {
        if let Some(value) = value.filter(|value| value.len() <= 255) {
            let what = format!("host `{}` (the {header} header) instead of `{configured}`", quoted(value));
            add(format!("{userinfo}{value}"), what);
        }
    }
    add(format!("{userinfo}{}", with_port(&host.to_lowercase())), "the host in lower case".to_owned());
    if !userinfo.is_empty() {
        add(configured.clone(), "without user and password in the URL".to_owned());
    }
    all
}

fn targets<'a>(seen: &Seen<'a>, parts: Parts<'a>) -> Vec<Choice<'a>> {
    let Parts { path, query, .. } = parts;
    let mut all: Vec<Choice<'a>> = vec![(format!("{path}{query}").into(), None)];
    let mut add = |target: String, what: String| {
        if !all.iter().any(|(known, _)| *known == target) {
            all.push((target.into(), Some(what)));
        }
    };
    match path.strip_suffix('/') {
        Some(path) => add(format!("{path}{query}"), "without the trailing slash".to_owned()),
        None => add(format!("{path}/{query}"), "with a trailing slash".to_owned()),
    }
    if let Some(pairs) = query.strip_prefix('?') {
        add(path.to_owned(), "without the query".to_owned());
        let mut sorted: Vec<&str> = pairs.split('&').collect();
        sorted.sort_unstable();
        add(format!("{path}?{}", sorted.join("&")), "with the query's parameters sorted".to_owned());
        add(format!("{path}?{}", recoded(pairs)), "with the query encoded anew".to_owned());
        add(format!("{path}?{}", pairs.replace("%20", "+")), "with + for spaces in the query".to_owned());
        add(format!("{path}?{}", pairs.replace('+', "%20")), "with %20 for spaces in the query".to_owned());
    }
    // The webhook path that this one ends with, if any; what stands before it is a prefix.
    let prefix = seen.paths.iter().find_map(|known| path.trim_end_matches('/').strip_suffix(known));
    if let Some(prefix) = prefix {
        for other in seen.paths {
            add(format!("{prefix}{other}{query}"), format!("the path `{prefix}{other}`"));
            add(format!("{other}{query}"), format!("the path `{other}`, without the prefix"));
        }
    }
    add(format!("/{query}"), "the path `/`".to_owned());
    all
}

/// The query, decoded and encoded again as most frameworks do it.
fn recoded(pairs: &str) -> String {
    crate::form::parse(pairs.as_bytes(), usize::MAX)
        .map_or_else(|_| pairs.to_owned(), |pairs| crate::form::encode(&pairs))
}

/// Signed fields that a sender may have made of `params` instead, each with what it did.
pub(super) fn field_changes(params: &[(String, String)]) -> Vec<(Vec<u8>, String)> {
    let keep = |wanted: &dyn Fn(&(String, String)) -> bool| {
        signed_fields(&params.iter().filter(|pair| wanted(pair)).cloned().collect::<Vec<_>>())
    };
    let trimmed: Vec<(String, String)> =
        params.iter().map(|(name, value)| (name.clone(), value.trim().to_owned())).collect();
    let mut names = HashSet::new();
    let first_values: Vec<(String, String)> =
        params.iter().filter(|(name, _)| names.insert(name)).cloned().collect();
    vec![
        (Vec::new(), "with no fields at all".to_owned()),
        (signed_fields(&trimmed), "with spaces trimmed from the values".to_owned()),
        (keep(&|pair| !pair.1.is_empty()), "without the empty fields".to_owned()),
        (keep(&|pair| KNOWN_FIELDS.contains(&pair.0.as_str())), "without the less known fields".to_owned()),
        (signed_fields(&first_values), "with only the first value of repeated fields".to_owned()),
        (concatenated(params), "with the fields in the order received instead of sorted".to_owned()),
        (
            signed_fields(&[(crate::form::encode(params), String::new())]),
            "with the raw form instead of sorted fields".to_owned(),
        ),
    ]
}

/// Keys that may be in use instead of the configured ones, each with what it is.
pub(super) fn secret_changes(secrets: &Secrets) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for placeholder in PLACEHOLDERS {
        let what = "a placeholder out of documentation instead of the real token: anybody can forge that";
        all.push((placeholder.to_owned(), what.to_owned()));
    }
    let tokens = secrets.auth_tokens.iter().map(|token| (&token.label, &token.secret));
    let keys = secrets.shared_keys.iter().map(|key| (&key.id, &key.secret));
    for (label, secret) in tokens.chain(keys) {
        let bare = secret.expose().trim().trim_matches(['"', '\'']);
        if bare != secret.expose() {
            let what = "without the spaces or quotes around it: mend the configuration";
            all.push((bare.to_owned(), format!("secret `{label}` {what}")));
        }
        all.push((
            secret.expose().to_owned(),
            format!("secret `{label}`, but used as the other kind of secret"),
        ));
    }
    all
}
