//! A customer writes: the form that Twilio makes of it.

use crate::courier::Signing;
use crate::number;
use crate::sid::Sid;
use crate::twilio::pair;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// What `POST /fake/inbound` takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InboundRequest {
    /// `+9779800000001` or `whatsapp:…`.
    pub(crate) from: String,
    /// The sender, unless told.
    pub(crate) to: Option<String>,
    /// `{n}` is replaced by the number of the copy, from 1, when `count` is above 1.
    #[serde(default)]
    pub(crate) body: String,
    /// Twilio's `MessageType`; found out from the rest unless told.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) profile_name: Option<String>,
    pub(crate) button: Option<Button>,
    pub(crate) list: Option<ListItem>,
    pub(crate) location: Option<Location>,
    #[serde(default)]
    pub(crate) media: Vec<Media>,
    #[serde(default)]
    pub(crate) forwarded: bool,
    #[serde(default)]
    pub(crate) frequently_forwarded: bool,
    /// The message that this one answers.
    pub(crate) replied_to: Option<String>,
    /// Further fields, or other values for those above.
    #[serde(default)]
    pub(crate) extra: BTreeMap<String, String>,
    /// An id of the caller's; one known already is delivered again, not made again.
    pub(crate) sid: Option<String>,
    /// Messages to make, at most 1,000.
    #[serde(default = "one")]
    pub(crate) count: u32,
    /// Deliveries at once, at most 64.
    #[serde(default = "one")]
    pub(crate) parallel: u32,
    /// Times that each message is delivered, under the same id; at most 20.
    #[serde(default = "one")]
    pub(crate) deliveries: u32,
    #[serde(default)]
    pub(crate) signature: Signing,
    /// False: the message is in the list, but its webhook never comes.
    #[serde(default = "yes")]
    pub(crate) deliver: bool,
}

/// A quick reply that was pressed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Button {
    pub(crate) text: String,
    pub(crate) payload: String,
}

/// A list entry that was picked.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ListItem {
    pub(crate) id: String,
    pub(crate) title: String,
}

/// A pin on the map.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Location {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) address: Option<String>,
    pub(crate) label: Option<String>,
}

/// A file: its bytes here, or a URL elsewhere.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Media {
    pub(crate) content_type: String,
    pub(crate) data_base64: Option<String>,
    pub(crate) url: Option<String>,
}

const fn one() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

impl InboundRequest {
    /// Twilio's `MessageType`.
    pub(crate) fn message_type(&self) -> &str {
        if let Some(kind) = &self.kind {
            kind
        } else if self.location.is_some() {
            "location"
        } else if self.button.is_some() {
            "button"
        } else if self.list.is_some() {
            "interactive"
        } else if let Some(media) = self.media.first() {
            match media.content_type.split('/').next() {
                Some("image") if media.content_type == "image/webp" => "sticker",
                Some("image") => "image",
                Some("audio") => "audio",
                Some("video") => "video",
                _ => "document",
            }
        } else {
            "text"
        }
    }

    /// The text as Twilio sends it: a button's or list entry's where there is no other.
    pub(crate) fn text(&self) -> &str {
        if !self.body.is_empty() {
            &self.body
        } else if let Some(button) = &self.button {
            &button.text
        } else if let Some(list) = &self.list {
            &list.title
        } else {
            ""
        }
    }

    /// One line about what is not text, for the chat page.
    pub(crate) fn detail(&self) -> String {
        if let Some(place) = &self.location {
            let name = place.label.as_deref().or(place.address.as_deref());
            let point = format!("{:.5}, {:.5}", place.latitude, place.longitude);
            return name.map_or_else(|| point.clone(), |name| format!("{name} ({point})"));
        }
        if let Some(button) = &self.button {
            return button.payload.clone();
        }
        if let Some(list) = &self.list {
            return list.id.clone();
        }
        let types: Vec<&str> = self.media.iter().map(|media| media.content_type.as_str()).collect();
        types.join(", ")
    }
}

/// The form's fields, in Twilio's order, before `extra` changes them.
pub(crate) fn form(
    request: &InboundRequest,
    account: &str,
    from: &str,
    to: &str,
    sid: Sid,
    body: &str,
    media_urls: &[String],
) -> Vec<(String, String)> {
    let sid = sid.to_string();
    let name = request.profile_name.as_deref().unwrap_or("Demo Customer");
    let wa_id = number::wa_id(from);
    let mut fields = vec![
        pair("SmsMessageSid", &sid),
        pair("NumMedia", &request.media.len().to_string()),
        pair("ProfileName", name),
        pair("MessageType", request.message_type()),
        pair("SmsSid", &sid),
        pair("SmsStatus", "received"),
        pair("Body", body),
        pair("To", to),
        pair("NumSegments", "1"),
        pair("ReferralNumMedia", "0"),
        pair("MessageSid", &sid),
        pair("AccountSid", account),
        pair("From", from),
        pair("ApiVersion", "2010-04-01"),
    ];
    match wa_id {
        Some(wa_id) => fields.push(pair("WaId", wa_id)),
        None => fields.push(pair("ExternalUserId", from)),
    }
    let context = json!({ "ProfileName": name, "WaId": wa_id });
    let metadata = json!({ "type": "whatsapp", "data": { "context": context } });
    fields.push(pair("ChannelMetadata", &metadata.to_string()));
    if let Some(button) = &request.button {
        fields.push(pair("ButtonText", &button.text));
        fields.push(pair("ButtonPayload", &button.payload));
    }
    if let Some(list) = &request.list {
        fields.push(pair("ListId", &list.id));
        fields.push(pair("ListTitle", &list.title));
    }
    if let Some(place) = &request.location {
        fields.push(pair("Latitude", &place.latitude.to_string()));
        fields.push(pair("Longitude", &place.longitude.to_string()));
        push_some(&mut fields, "Address", place.address.as_deref());
        push_some(&mut fields, "Label", place.label.as_deref());
    }
    for (at, (media, url)) in request.media.iter().zip(media_urls).enumerate() {
        fields.push(pair(&format!("MediaContentType{at}"), &media.content_type));
        fields.push(pair(&format!("MediaUrl{at}"), url));
    }
    if request.forwarded || request.frequently_forwarded {
        fields.push(pair("Forwarded", "true"));
    }
    if request.frequently_forwarded {
        fields.push(pair("FrequentlyForwarded", "true"));
    }
    if let Some(original) = &request.replied_to {
        fields.push(pair("OriginalRepliedMessageSid", original));
        fields.push(pair("OriginalRepliedMessageSender", to));
    }
    for (name, value) in &request.extra {
        fields.retain(|(known, _)| known != name);
        fields.push(pair(name, value));
    }
    fields
}

fn push_some(fields: &mut Vec<(String, String)>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.push(pair(name, value));
    }
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
