//! Unique signed webhooks at next to no cost: one request is built the usual way, and for each message only its
//! number, its sender and its signature are written anew. Hashing what is signed is all that is left to do.

use crate::config::Config;
use crate::node::NodeKey;
use crate::webhook::{Signer, inbound_form};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt::Write;
use url::Url;

/// Stand-ins in the template, replaced by others of their length.
const SID: &str = "SM5afe5afe5afe5afe5afe5afe5afe5afe";
const PERSON: &str = "98765432";
/// A signature has so many characters.
const SIGNATURE_CHARS: usize = 28;

/// What the messages say: an order, understood at once, with an address that makes a message of usual length.
const BODY: &str = "1x2, 3x1, deliver to House 12 near the old post office, Ward 7, Lakeside, Pokhara";
/// Sent with each WhatsApp message, and long.
const CHANNEL_METADATA: &str = "{\"type\":\"whatsapp\",\"data\":{\"context\":{\"ProfileName\":\"Steadfast Trigger\",\
                                \"WaId\":\"97798765432\"},\"referral\":null,\"forwarded\":false}}";

/// Makes requests.
#[derive(Clone)]
pub(super) struct Template {
    wire: Vec<u8>,
    signed: Vec<u8>,
    wire_sids: Vec<usize>,
    wire_people: Vec<usize>,
    signed_sids: Vec<usize>,
    signed_people: Vec<usize>,
    signature_at: usize,
    mac: Hmac<Sha1>,
    /// Makes the ids of two runs differ.
    run: u64,
    pub(super) url: Url,
    /// Bytes of the form.
    pub(super) body_bytes: usize,
}

impl Template {
    pub(super) fn new(config: &Config, key: &NodeKey, url: &Url) -> anyhow::Result<Self> {
        let signer = Signer::new(config, key);
        let from = format!("whatsapp:+977{PERSON}");
        let more = [("Body", BODY), ("ChannelMetadata", CHANNEL_METADATA)];
        let fields = inbound_form(&signer.account_sid, SID, &from, &more);
        let form = signer.sign(url, &fields);
        let host = url.host_str().context("the webhook's URL has no host")?;
        let port = url.port_or_known_default().context("the webhook's URL has no port")?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n\
             Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nI-Twilio-Idempotency-Token: \
             00000000-0000-0000-0000-000000000000\r\nX-Twilio-Signature: ",
            url.path()
        );
        let signature_at = head.len();
        let wire =
            format!("{head}{}\r\nContent-Length: {}\r\n\r\n{}", form.signature, form.body.len(), form.body);
        let signed = signer.signed_text(url, &fields);
        let secret = signer.secret().as_bytes();
        let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret).context("the token cannot be a key")?;
        Ok(Self {
            wire_sids: places(wire.as_bytes(), SID),
            wire_people: places(wire.as_bytes(), PERSON),
            signed_sids: places(&signed, SID),
            signed_people: places(&signed, PERSON),
            wire: wire.into_bytes(),
            signed,
            signature_at,
            mac,
            run: u64::from_be_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into()?),
            url: url.clone(),
            body_bytes: form.body.len(),
        })
    }

    /// The request of message `index`, written by `person` (below 100,000,000).
    pub(super) fn request(&mut self, index: u64, person: u64) -> &[u8] {
        let mut sid = String::with_capacity(SID.len());
        let mut who = String::with_capacity(PERSON.len());
        // Writing into a String does not fail.
        let _ = write!(sid, "SM{:016x}{index:016x}", self.run);
        let _ = write!(who, "{:08}", person % 100_000_000);
        fill(&mut self.wire, &self.wire_sids, &sid);
        fill(&mut self.wire, &self.wire_people, &who);
        fill(&mut self.signed, &self.signed_sids, &sid);
        fill(&mut self.signed, &self.signed_people, &who);
        let mut mac = self.mac.clone();
        mac.update(&self.signed);
        let place = &mut self.wire[self.signature_at..self.signature_at + SIGNATURE_CHARS];
        // Twenty bytes are always so many characters.
        let _ = STANDARD.encode_slice(mac.finalize().into_bytes(), place);
        &self.wire
    }

    /// The address of `person`, as the fake Twilio names it.
    pub(super) fn person(address: &str) -> Option<u64> {
        address.strip_prefix("whatsapp:+977")?.parse().ok()
    }
}

fn places(text: &[u8], mark: &str) -> Vec<usize> {
    let windows = text.windows(mark.len()).enumerate();
    windows.filter(|(_, window)| *window == mark.as_bytes()).map(|(at, _)| at).collect()
}

fn fill(text: &mut [u8], places: &[usize], value: &str) {
    for &at in places {
        text[at..at + value.len()].copy_from_slice(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{load, sources};
    use steadfast_gateway::Secret;
    use steadfast_gateway::signature::sign;

    #[test]
    fn every_request_is_signed_and_unique() -> anyhow::Result<()> {
        let flags = [
            ("twilio.account_sid", "AC00000000000000000000000000000000"),
            ("twilio.auth_token", "a-token-of-the-tests-0123456789"),
        ];
        let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = sources(None, flags.to_vec()).ok().and_then(|sources| load(&sources).ok());
        let config = config.context("a configuration")?;
        let url = Url::parse("http://127.0.0.1:3010/webhook/twilio")?;
        let folder = tempfile::tempdir()?;
        let key = crate::node::DataDir::open(folder.path())?.key()?;
        let mut template = Template::new(&config, &key, &url)?;
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..3 {
            let request = String::from_utf8(template.request(index, index + 7).to_vec())?;
            let (head, form) = request.split_once("\r\n\r\n").context("a head and a body")?;
            assert!(head.contains(&format!("Content-Length: {}", form.len())), "{head}");
            let fields: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            let signature = sign(&Secret::new("a-token-of-the-tests-0123456789"), url.as_str(), &fields);
            assert!(head.contains(&format!("X-Twilio-Signature: {signature}\r\n")), "{head}");
            let from = fields.iter().find(|(name, _)| name == "From").context("a sender")?;
            assert_eq!(Template::person(&from.1), Some(index + 7));
            assert!(seen.insert(form.to_owned()));
        }
        Ok(())
    }
}
