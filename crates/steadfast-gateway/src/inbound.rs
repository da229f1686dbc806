//! A form's fields as an inbound message.
//!
//! Only what identifies the message is demanded (its id, account, sender and receiver). Everything else
//! is taken as it comes: a validly signed request that is refused is a message lost, so what is not
//! understood is kept rather than turned away.

use crate::fields::{FieldError, Fields};
use steadfast_core::message::{Content, InboundMessage, Media};

/// The most files taken from one message; Twilio sends at most ten. More stay among the other fields.
const MEDIA_MAX: usize = 10;

/// Reads the fields of an inbound webhook, decoded, in the order received.
///
/// `received_ms` is the time of receipt in milliseconds since the Unix epoch.
pub fn read(pairs: Vec<(String, String)>, received_ms: i64) -> Result<InboundMessage, FieldError> {
    let mut fields = Fields::new(pairs);
    let sid = fields.message_sid()?;
    let account = fields.account_sid()?;
    let from = fields.address("From")?;
    let to = fields.address("To")?;
    let body = fields.take("Body").unwrap_or_default();
    let content = content(&mut fields, &body);
    Ok(InboundMessage {
        sid,
        account,
        from,
        to,
        content,
        body,
        profile_name: fields.take("ProfileName"),
        external_user_id: fields.take("ExternalUserId"),
        received_ms,
        in_reply_to: fields.take("OriginalRepliedMessageSid"),
        extra: fields.rest(),
    })
}

/// What the message carries. Decided by the fields that are there, not by `MessageType`: that one is
/// missing on some channels and grows new words.
fn content(fields: &mut Fields, body: &str) -> Content {
    let message_type = fields.peek("MessageType").unwrap_or_default().to_ascii_lowercase();
    let items = media(fields);
    if !items.is_empty() {
        return Content::Media { items };
    }
    if let Some(content) =
        location(fields).or_else(|| button(fields, body)).or_else(|| list_choice(fields, body))
    {
        return content;
    }
    match message_type.as_str() {
        "text" => Content::Text,
        "" if !body.is_empty() => Content::Text,
        _ => Content::Other { message_type },
    }
}

fn media(fields: &mut Fields) -> Vec<Media> {
    let mut items = Vec::new();
    while items.len() < MEDIA_MAX {
        let n = items.len();
        let Some(url) = fields.take(&format!("MediaUrl{n}")) else {
            break;
        };
        let content_type = fields.take(&format!("MediaContentType{n}"));
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        items.push(Media { url, content_type: content_type.to_ascii_lowercase() });
    }
    items
}

fn location(fields: &mut Fields) -> Option<Content> {
    let degrees = |name: &str, max: f64| {
        fields.peek(name)?.trim().parse::<f64>().ok().filter(|value| (-max..=max).contains(value))
    };
    let (latitude, longitude) = (degrees("Latitude", 90.0)?, degrees("Longitude", 180.0)?);
    fields.take("Latitude");
    fields.take("Longitude");
    Some(Content::Location {
        latitude,
        longitude,
        address: fields.take("Address"),
        label: fields.take("Label"),
    })
}

fn button(fields: &mut Fields, body: &str) -> Option<Content> {
    let (text, payload) = match (fields.take("ButtonText"), fields.take("ButtonPayload")) {
        (None, None) => return None,
        // Without a label the body repeats it; without a payload the label is all it means.
        (None, Some(payload)) => (body.to_owned(), payload),
        (Some(text), None) => (text.clone(), text),
        (Some(text), Some(payload)) => (text, payload),
    };
    Some(Content::Button { text, payload })
}

fn list_choice(fields: &mut Fields, body: &str) -> Option<Content> {
    let (id, title) = match (fields.take("ListId"), fields.take("ListTitle")) {
        (None, None) => return None,
        (Some(id), title) => (id, title.unwrap_or_else(|| body.to_owned())),
        (None, Some(title)) => (title.clone(), title),
    };
    Some(Content::ListChoice { id, title })
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
