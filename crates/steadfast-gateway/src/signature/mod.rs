//! Whether a request comes from Twilio. Pure: no I/O, no clock, no memory of earlier requests.
//!
//! Twilio signs the URL as it is configured there, followed by the form's fields. Its own libraries
//! disagree on details of the URL (port, quoting), so every spelling that one of them accepts is tried;
//! a forger gains nothing by that, because each spelling still needs the secret.
//!
//! Every configured secret is tried against every spelling, in constant time and without an early exit,
//! and nothing is cached: a repeat of a request is verified like the first.

mod explain;
mod hypotheses;
mod settings;
mod sign;
mod url;
mod verify;

pub use explain::{Explanation, Seen, explain};
pub use sign::{sign, sign_sha256};
pub use url::Spelling;
pub use verify::{
    AuthToken, Failure, MatchedSecret, Payload, Secrets, SharedKey, Verdict, VerifyInput, check_head, verify,
};

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-twilio-signature";
/// The header that selects a shared key and its algorithm.
pub const SETTINGS_HEADER: &str = "x-twilio-webhooks-signature-settings";
