//! What the pretend Twilio is told at its start.

use std::fmt;
use std::time::Duration;

/// Everything that can be set. [`FakeTwilioConfig::default`] works as it stands, but for `webhook_url`.
///
/// `Debug` hides the token.
#[derive(Clone)]
pub struct FakeTwilioConfig {
    /// The account: `AC` and 32 hex digits. User name of the API and part of its paths.
    pub account_sid: String,
    /// The account's token: password of the API and key of every signature.
    pub auth_token: String,
    /// Signs with this key and HMAC-SHA256 instead of the token, and says so in the settings header.
    pub shared_key: Option<SharedKey>,
    /// The number that customers write to and that replies must come from.
    pub sender: String,
    /// Where inbound messages are POSTed; its fragment may hold connection overrides (`#rc=5&rp=all`). Without it
    /// inbound messages only wait in the message list. Can be changed later: [`crate::FakeTwilio::set_webhook_url`].
    pub webhook_url: Option<String>,
    /// Where they are POSTed when `webhook_url` failed for good, with `ErrorCode` and `ErrorUrl`.
    pub fallback_url: Option<String>,
    /// Base of the media URLs in webhooks. Without it: `http://` and the listener's address.
    pub public_base_url: Option<String>,
    /// How a message's status moves on.
    pub timing: StatusTiming,
    /// Who may be written to freely.
    pub window: WindowRule,
    /// How long every create waits before it is looked at.
    pub latency: Duration,
    /// How long a message is accepted before the list shows it: Twilio's list lags a little at times.
    pub list_lag: Duration,
    /// How long the script `slow_answer` holds its answer back; more than the client's patience.
    pub slow_answer: Duration,
    /// How often the scripted numbers …0429 and …0505 fail before it goes well.
    pub transient_failures: u32,
    /// Creates at work at once; one more is answered 429 with code 20429.
    pub concurrency_max: usize,
    /// Messages kept, both directions; beyond it the oldest is dropped and counted. At 200,000 short messages
    /// about 90 MiB, 150 MiB if each has another customer.
    pub messages_max: usize,
    /// Bytes of text kept in messages; the second bound, same policy.
    pub message_bytes_max: usize,
    /// Webhook deliveries kept for [`/fake/webhooks`](crate); beyond it the oldest is dropped.
    pub webhooks_max: usize,
    /// Media bytes kept; beyond it the oldest file is dropped.
    pub media_bytes_max: usize,
    /// Status callbacks that wait for a free hand; beyond it a callback is dropped and counted.
    pub callbacks_waiting_max: usize,
    /// Deliveries of status callbacks at once.
    pub callbacks_at_once: usize,
    /// Seed of all ids and chances. `None`: another one at each start. With a fixed one, a restarted process gives
    /// out the same ids again.
    pub seed: Option<u64>,
}

/// A shared key for signing webhooks. `Debug` hides the key.
#[derive(Clone)]
pub struct SharedKey {
    /// Its id, `webhooks_sharedkey_…`.
    pub id: String,
    /// The key.
    pub key: String,
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey").field("id", &self.id).field("key", &"***").finish()
    }
}

/// How a message's status moves on after it was accepted, and how its callbacks arrive.
///
/// Delays count from the acceptance. Callbacks of one message leave in this order but travel on separate
/// connections: as with Twilio, nobody promises that they arrive in it.
#[derive(Debug, Clone)]
pub struct StatusTiming {
    /// Until `sent` (or until a scripted failure).
    pub sent_after: Duration,
    /// Until `delivered`.
    pub delivered_after: Duration,
    /// Until `read`, if messages are read on their own; the chat page reads those of the open chat by itself.
    pub read_after: Option<Duration>,
    /// Of 100 messages, so many whose `sent` callback comes after `delivered`.
    pub out_of_order_percent: u8,
    /// Of 100 callbacks, so many that come twice.
    pub duplicate_percent: u8,
    /// Without it no message ever moves past `queued` and no callback is made: for load tests of the API alone.
    pub enabled: bool,
}

/// Who may be written to freely: WhatsApp allows it for 24 hours after the person's last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowRule {
    /// A person who wrote through this process is judged by when; others are let through.
    #[default]
    Known,
    /// A person who never wrote is outside too.
    Strict,
    /// Everybody may be written to.
    Off,
}

impl Default for StatusTiming {
    fn default() -> Self {
        Self {
            sent_after: Duration::from_millis(250),
            delivered_after: Duration::from_millis(700),
            read_after: None,
            out_of_order_percent: 0,
            duplicate_percent: 0,
            enabled: true,
        }
    }
}

impl Default for FakeTwilioConfig {
    fn default() -> Self {
        Self {
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            auth_token: "development-token".to_owned(),
            shared_key: None,
            sender: "whatsapp:+14155238886".to_owned(),
            webhook_url: None,
            fallback_url: None,
            public_base_url: None,
            timing: StatusTiming::default(),
            window: WindowRule::default(),
            latency: Duration::ZERO,
            list_lag: Duration::ZERO,
            slow_answer: Duration::from_secs(40),
            transient_failures: 2,
            concurrency_max: 512,
            messages_max: 200_000,
            message_bytes_max: 256 << 20,
            webhooks_max: 10_000,
            media_bytes_max: 64 << 20,
            callbacks_waiting_max: 20_000,
            callbacks_at_once: 32,
            seed: None,
        }
    }
}

impl fmt::Debug for FakeTwilioConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTwilioConfig")
            .field("account_sid", &self.account_sid)
            .field("auth_token", &"***")
            .field("webhook_url", &self.webhook_url)
            .field("timing", &self.timing)
            .field("window", &self.window)
            .field("messages_max", &self.messages_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_token() {
        assert!(!format!("{:?}", FakeTwilioConfig::default()).contains("development-token"));
    }
}
