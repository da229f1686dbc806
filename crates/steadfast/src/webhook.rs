//! Webhooks as Twilio would send them, really signed: for `trigger` and `bench`.

use crate::config::{Config, PublicBase, Twilio};
use crate::node::{FAKE_ACCOUNT, FAKE_SENDER, NodeKey};
use steadfast_gateway::Secret;
use steadfast_gateway::signature::sign;
use url::Url;

/// Signs for the configured account, or for the fake one.
pub(crate) struct Signer {
    pub(crate) account_sid: String,
    token: Secret,
    public_base_url: Option<PublicBase>,
}

/// A form and its signature.
pub(crate) struct Signed {
    pub(crate) body: String,
    pub(crate) signature: String,
}

impl Signer {
    pub(crate) fn new(config: &Config, key: &NodeKey) -> Self {
        let (account_sid, token) = match &config.twilio {
            Some(Twilio { account_sid, auth_token, .. }) => (account_sid.to_string(), auth_token.clone()),
            None => (FAKE_ACCOUNT.to_owned(), key.development_token()),
        };
        Self {
            account_sid,
            token: Secret::new(token),
            public_base_url: config.gateway.public_base_url.clone(),
        }
    }

    /// Signs with a token that is nobody's.
    pub(crate) fn spoil(&mut self) {
        self.token = Secret::new("not-the-token");
    }

    /// What the signature of `fields` sent to `url` is made of: the public URL, then each name and value in order.
    pub(crate) fn signed_text(&self, url: &Url, fields: &[(String, String)]) -> Vec<u8> {
        let mut pairs: Vec<&(String, String)> = fields.iter().collect();
        pairs.sort_unstable();
        let mut text = self.signed_url(url).into_bytes();
        for (name, value) in pairs {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(value.as_bytes());
        }
        text
    }

    /// The key of the signatures.
    pub(crate) fn secret(&self) -> &str {
        self.token.expose()
    }

    fn signed_url(&self, url: &Url) -> String {
        match &self.public_base_url {
            Some(base) => base.url_of(url.path()),
            None => url.to_string(),
        }
    }

    /// Encodes and signs `fields` for a POST to `url`: as if Twilio had been given the public URL.
    pub(crate) fn sign(&self, url: &Url, fields: &[(String, String)]) -> Signed {
        let signature = sign(&self.token, &self.signed_url(url), fields);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Signed { body, signature }
    }
}

/// The fields of an inbound message, with `more` replacing or following the usual ones.
pub(crate) fn inbound_form(
    account: &str,
    sid: &str,
    from: &str,
    more: &[(&str, &str)],
) -> Vec<(String, String)> {
    let wa_id = from.trim_start_matches("whatsapp:").trim_start_matches('+');
    let usual = [
        ("SmsMessageSid", sid),
        ("NumMedia", "0"),
        ("ProfileName", "Steadfast Trigger"),
        ("MessageType", "text"),
        ("SmsSid", sid),
        ("WaId", wa_id),
        ("SmsStatus", "received"),
        ("Body", ""),
        ("To", FAKE_SENDER),
        ("NumSegments", "1"),
        ("ReferralNumMedia", "0"),
        ("MessageSid", sid),
        ("AccountSid", account),
        ("From", from),
        ("ApiVersion", "2010-04-01"),
    ];
    let replaced = |name: &str| more.iter().any(|(more_name, _)| *more_name == name);
    let kept = usual.iter().filter(|(name, _)| !replaced(name));
    kept.chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
