//! The verdict on one request.

use super::settings;
use super::sign::{Algorithm, decode, mac, signed_fields};
use super::url::{Spelling, query_value, spellings};
use crate::secret::Secret;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// An auth token of the account, primary or secondary.
#[derive(Debug, Clone)]
pub struct AuthToken {
    /// What to call it in logs and metrics: `primary`, `secondary`, `old`.
    pub label: String,
    /// The token.
    pub secret: Secret,
}

/// A shared key, selected by the settings header.
#[derive(Debug, Clone)]
pub struct SharedKey {
    /// Twilio's id of it, `webhooks_sharedkey_…`.
    pub id: String,
    /// The key.
    pub secret: Secret,
}

/// Everything a request may be signed with. All are tried, so that one can be rotated into another.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// For requests without a settings header.
    pub auth_tokens: Vec<AuthToken>,
    /// For requests with one.
    pub shared_keys: Vec<SharedKey>,
}

impl Secrets {
    /// One auth token, called `primary`.
    pub fn token(secret: impl Into<String>) -> Self {
        let token = AuthToken { label: "primary".to_owned(), secret: Secret::new(secret) };
        Self { auth_tokens: vec![token], shared_keys: Vec::new() }
    }
}

/// What was sent along with the URL.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// A form's fields, decoded.
    Form(&'a [(String, String)]),
    /// Any other body, as received. Its SHA-256 must stand in the URL's `bodySHA256`.
    Raw(&'a [u8]),
}

impl std::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form(fields) => write!(f, "Form({} fields)", fields.len()),
            Self::Raw(bytes) => write!(f, "Raw({} bytes)", bytes.len()),
        }
    }
}

/// One request, as far as its signature is concerned.
#[derive(Debug, Clone, Copy)]
pub struct VerifyInput<'a> {
    /// The URLs under which Twilio may know us, most likely first.
    pub urls: &'a [String],
    /// What was sent.
    pub payload: Payload<'a>,
    /// The values of [`SIGNATURE_HEADER`](super::SIGNATURE_HEADER). More than one is no signature.
    pub signature: &'a [&'a str],
    /// The values of [`SETTINGS_HEADER`](super::SETTINGS_HEADER).
    pub settings: &'a [&'a str],
    /// What it may be signed with.
    pub secrets: &'a Secrets,
}

/// The secret that a valid request was signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatchedSecret {
    /// The auth token's label, or the shared key's id.
    pub label: String,
    /// The spelling of the URL that Twilio signed.
    pub spelling: Spelling,
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Signed with one of our secrets.
    Valid(MatchedSecret),
    /// Not.
    Invalid(Failure),
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// There is no signature header.
    #[error("the X-Twilio-Signature header is missing")]
    HeaderMissing,
    /// The header cannot be a signature.
    #[error("the X-Twilio-Signature header is not one base64 text of 20 bytes (32 with a shared key)")]
    HeaderMalformed,
    /// The settings header cannot be read.
    #[error("the X-Twilio-Webhooks-Signature-Settings header is not `key=…,algorithm=…`")]
    SettingsMalformed,
    /// The settings header names an algorithm that we do not know.
    #[error("the X-Twilio-Webhooks-Signature-Settings header names an algorithm other than HMAC_SHA256")]
    UnknownAlgorithm,
    /// The settings header names a key that we do not have.
    #[error("the X-Twilio-Webhooks-Signature-Settings header names a shared key that is not configured")]
    UnknownKey,
    /// There is nothing to verify with.
    #[error("no auth token is configured to verify with")]
    NoSecret,
    /// A body that is no form came without its hash.
    #[error("the body is no form and the URL has no bodySHA256")]
    BodyHashMissing,
    /// The body is not the one that was signed.
    #[error("the body does not have the hash that the URL's bodySHA256 states")]
    BodyHashMismatch,
    /// The signature was made of another URL, other fields, or with another secret.
    #[error("the signature does not match")]
    Mismatch,
}

impl Failure {
    /// A short word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeaderMissing => "header_missing",
            Self::HeaderMalformed => "header_malformed",
            Self::SettingsMalformed => "settings_malformed",
            Self::UnknownAlgorithm => "unknown_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::NoSecret => "no_secret",
            Self::BodyHashMissing => "body_hash_missing",
            Self::BodyHashMismatch => "body_hash_mismatch",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Verifies one request. Costs a few microseconds for each pair of secret and URL spelling.
pub fn verify(input: &VerifyInput<'_>) -> Verdict {
    match check(input) {
        Ok(matched) => Verdict::Valid(matched),
        Err(failure) => Verdict::Invalid(failure),
    }
}

/// A secret and what it is called.
type Labelled<'a> = (&'a str, &'a Secret);

/// What can be said of a request before its body is read: an error where no body could make it valid.
pub fn check_head(signature: &[&str], settings: &[&str], secrets: &Secrets) -> Result<(), Failure> {
    claim(signature, settings, secrets).map(drop)
}

/// The signature that the head states, what it was made with, and the secrets that may go with it.
type Claim<'a> = (Vec<u8>, Algorithm, Vec<Labelled<'a>>);

fn claim<'a>(signature: &[&str], settings: &[&str], secrets: &'a Secrets) -> Result<Claim<'a>, Failure> {
    let header = match signature {
        [] | [""] => return Err(Failure::HeaderMissing),
        [one] => *one,
        _ => return Err(Failure::HeaderMalformed),
    };
    let (algorithm, secrets) = applicable(settings, secrets)?;
    let signature = decode(header, algorithm).ok_or(Failure::HeaderMalformed)?;
    Ok((signature, algorithm, secrets))
}

fn check(input: &VerifyInput<'_>) -> Result<MatchedSecret, Failure> {
    let (signature, algorithm, secrets) = claim(input.signature, input.settings, input.secrets)?;
    let fields = match input.payload {
        Payload::Form(params) => signed_fields(params),
        Payload::Raw(body) => {
            check_body_hash(input.urls, body)?;
            Vec::new()
        }
    };
    let spellings: Vec<(Spelling, String)> = distinct(input.urls.iter().flat_map(|url| spellings(url)));
    let (found, place) = search(algorithm, &secrets, &spellings, &fields, &signature);
    if !bool::from(found) {
        return Err(Failure::Mismatch);
    }
    let place = place as usize;
    let (label, _) = secrets[place / spellings.len()];
    Ok(MatchedSecret { label: label.to_owned(), spelling: spellings[place % spellings.len()].0 })
}

/// Tries everything, always, and remembers the first match without branching on it.
fn search(
    algorithm: Algorithm,
    secrets: &[Labelled<'_>],
    spellings: &[(Spelling, String)],
    fields: &[u8],
    signature: &[u8],
) -> (Choice, u32) {
    let (mut found, mut place, mut next) = (Choice::from(0), 0_u32, 0_u32);
    for (_, secret) in secrets {
        for (_, url) in spellings {
            let equal = mac(algorithm, secret.expose(), url, fields).ct_eq(signature);
            place.conditional_assign(&next, equal & !found);
            found |= equal;
            next += 1;
        }
    }
    (found, place)
}

/// The algorithm that the request claims, and the secrets that may go with it.
fn applicable<'a>(
    settings: &[&str],
    secrets: &'a Secrets,
) -> Result<(Algorithm, Vec<Labelled<'a>>), Failure> {
    let header = match settings {
        [] => {
            let usable = secrets.auth_tokens.iter().filter(|token| !token.secret.is_empty());
            let tokens: Vec<_> = usable.map(|token| (token.label.as_str(), &token.secret)).collect();
            return if tokens.is_empty() {
                Err(Failure::NoSecret)
            } else {
                Ok((Algorithm::HmacSha1, tokens))
            };
        }
        [one] => one,
        _ => return Err(Failure::SettingsMalformed),
    };
    let settings = settings::parse(header).ok_or(Failure::SettingsMalformed)?;
    if settings.algorithm != "HMAC_SHA256" {
        return Err(Failure::UnknownAlgorithm);
    }
    let named = secrets.shared_keys.iter().filter(|key| key.id == settings.key && !key.secret.is_empty());
    let keys: Vec<_> = named.map(|key| (key.id.as_str(), &key.secret)).collect();
    if keys.is_empty() { Err(Failure::UnknownKey) } else { Ok((Algorithm::HmacSha256, keys)) }
}

fn check_body_hash(urls: &[String], body: &[u8]) -> Result<(), Failure> {
    let stated =
        urls.iter().find_map(|url| query_value(url, "bodySHA256")).ok_or(Failure::BodyHashMissing)?;
    let mut expected = [0_u8; 32];
    hex::decode_to_slice(stated, &mut expected).map_err(|_| Failure::BodyHashMismatch)?;
    let actual: [u8; 32] = Sha256::digest(body).into();
    if bool::from(actual.ct_eq(&expected)) { Ok(()) } else { Err(Failure::BodyHashMismatch) }
}

fn distinct(all: impl Iterator<Item = (Spelling, String)>) -> Vec<(Spelling, String)> {
    let mut kept: Vec<(Spelling, String)> = Vec::new();
    for (spelling, url) in all {
        if !kept.iter().any(|(_, other)| *other == url) {
            kept.push((spelling, url));
        }
    }
    kept
}
