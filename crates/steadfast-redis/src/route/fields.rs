//! Reading what sentinels and nodes answer.

use crate::resp::Reply;
use redis::Value;
use std::collections::HashMap;

pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Names and values: a map in protocol 3, a flat list in protocol 2.
pub(crate) fn fields(value: &Value) -> HashMap<String, String> {
    let pairs: Vec<(&Value, &Value)> = match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (name, value)).collect(),
        Value::Array(items) => items.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect(),
        _ => Vec::new(),
    };
    pairs.into_iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
}

/// A list of such.
pub(crate) fn list(reply: &Reply) -> Vec<HashMap<String, String>> {
    match reply {
        Reply::Value(Value::Array(items)) => items.iter().map(fields).collect(),
        _ => Vec::new(),
    }
}
