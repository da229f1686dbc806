//! Webhooks signed as Twilio documents it. Written anew here on purpose: the node is judged by the rule, not by its
//! own code.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The account all messages belong to.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000000";
/// Its token.
pub(crate) const TOKEN: &str = "a-token-of-the-chaos-runs-0123456789";
/// The bot's own number.
pub(crate) const BOT: &str = "whatsapp:+14155238886";

/// A message: the `seq`-th of its sender, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) sender: u32,
    pub(crate) seq: u32,
}

impl Id {
    /// Its MessageSid in the run with this seed.
    pub(crate) fn sid(self, seed: u64) -> String {
        format!("SM{seed:016x}{:08x}{:08x}", self.sender, self.seq)
    }

    /// Who writes it.
    pub(crate) fn from(self) -> String {
        format!("whatsapp:+97798{:08}", self.sender)
    }

    /// What it says: one more bag of rice, and its number where the reply repeats it.
    fn body(self) -> String {
        format!("1x1, deliver to Gate {}", self.seq)
    }
}

/// The sender behind an address that [`Id::from`] made.
pub(crate) fn sender_of(address: &str) -> Option<u32> {
    address.strip_prefix("whatsapp:+97798")?.parse().ok()
}

/// Form body and signature of `id`, for a POST to `url`.
pub(crate) fn signed(id: Id, seed: u64, url: &str) -> (String, String) {
    let (sid, from, body) = (id.sid(seed), id.from(), id.body());
    // In byte order of the names: the order in which they are signed.
    let fields = [
        ("AccountSid", ACCOUNT),
        ("ApiVersion", "2010-04-01"),
        ("Body", &body),
        ("From", &from),
        ("MessageSid", &sid),
        ("MessageType", "text"),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("ProfileName", "Somebody & Söhne"),
        ("SmsMessageSid", &sid),
        ("SmsSid", &sid),
        ("SmsStatus", "received"),
        ("To", BOT),
        ("WaId", from.trim_start_matches("whatsapp:+")),
    ];
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let mut text = url.to_owned();
    for (name, value) in fields {
        form.append_pair(name, value);
        text.push_str(name);
        text.push_str(value);
    }
    (form.finish(), hmac_sha1(TOKEN.as_bytes(), text.as_bytes()))
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> String {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 2202, test case 2 of HMAC-SHA-1.
        assert_eq!(hmac_sha1(b"Jefe", b"what do ya want for nothing?"), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
    }

    #[test]
    fn an_address_leads_back_to_its_sender() {
        let id = Id { sender: 1_234, seq: 5 };
        assert_eq!(sender_of(&id.from()), Some(1_234));
        assert_eq!(sender_of(BOT), None);
        assert_eq!(id.sid(1).len(), 34);
    }
}
