//! JSON bodies as fields, where they are as flat as a form.

use serde_json::Value;

/// Why a verified JSON body is no webhook of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("the body is not valid JSON")]
    Invalid,
    #[error("the JSON body is not an object; event streams and other batches are not taken here")]
    NotAnObject,
    #[error("the JSON object has more than {max} fields")]
    TooManyFields { max: usize },
}

/// The members of a JSON object as fields: texts as they are, null as an empty text, anything else as the
/// JSON it is.
pub(crate) fn fields(body: &[u8], fields_max: usize) -> Result<Vec<(String, String)>, JsonError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| JsonError::Invalid)?;
    let Value::Object(members) = value else {
        return Err(JsonError::NotAnObject);
    };
    if members.len() > fields_max {
        return Err(JsonError::TooManyFields { max: fields_max });
    }
    let text = |value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Ok(members.into_iter().map(|(name, value)| (name, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_objects_become_fields() {
        let read = fields(br#"{"MessageSid":"SM1","NumMedia":0,"Body":null,"ChannelMetadata":{"a":[1]}}"#, 9);
        let mut read = read.expect("an object");
        read.sort();
        let expected =
            [("Body", ""), ("ChannelMetadata", r#"{"a":[1]}"#), ("MessageSid", "SM1"), ("NumMedia", "0")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(fields(b"[{}]", 9), Err(JsonError::NotAnObject));
        assert_eq!(fields(b"{\"a\":1", 9), Err(JsonError::Invalid));
        assert_eq!(fields(b"\xff", 9), Err(JsonError::Invalid));
        assert_eq!(fields(br#"{"a":1,"b":2}"#, 1), Err(JsonError::TooManyFields { max: 1 }));
        let deep = "[".repeat(100_000);
        assert_eq!(fields(deep.as_bytes(), 9), Err(JsonError::Invalid));
    }
}
