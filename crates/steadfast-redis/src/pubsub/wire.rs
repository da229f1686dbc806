//! Subscriptions on the wire: the same messages in both protocols.

use super::inbox::Message;
use crate::resp::Reply;
use redis::{Cmd, Value};

/// What is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Topic {
    Channel(String),
    Pattern(String),
    /// A channel of a shard, in a cluster.
    Shard(String),
}

impl Topic {
    pub(super) const fn name(&self) -> &String {
        match self {
            Self::Channel(name) | Self::Pattern(name) | Self::Shard(name) => name,
        }
    }

    /// `SUBSCRIBE` or `UNSUBSCRIBE` for it.
    pub(super) fn command(&self, on: bool) -> Cmd {
        let verb = match (self, on) {
            (Self::Channel(_), true) => "SUBSCRIBE",
            (Self::Channel(_), false) => "UNSUBSCRIBE",
            (Self::Pattern(_), true) => "PSUBSCRIBE",
            (Self::Pattern(_), false) => "PUNSUBSCRIBE",
            (Self::Shard(_), true) => "SSUBSCRIBE",
            (Self::Shard(_), false) => "SUNSUBSCRIBE",
        };
        redis::cmd(verb).arg(self.name()).to_owned()
    }
}

/// What came on a subscribed connection.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// A message, and the topic it came by.
    Message(Topic, Message),
    /// A subscription was confirmed.
    Subscribed(Topic),
    /// One was ended.
    Unsubscribed(Topic),
    /// The answer to a `PING`.
    Pong,
    /// An error.
    Refused(String),
    /// Nothing of ours.
    Other,
}

/// Reads what came: pushes in protocol 3, arrays in protocol 2.
pub(super) fn read(reply: Reply) -> Incoming {
    let parts = match reply {
        Reply::Push(parts) | Reply::Value(Value::Array(parts)) => parts,
        Reply::Value(Value::SimpleString(text)) if text == "PONG" => return Incoming::Pong,
        Reply::Error(text) => return Incoming::Refused(text),
        _ => return Incoming::Other,
    };
    let mut texts = parts.into_iter().map(bytes);
    let kind = texts.next().flatten().unwrap_or_default();
    let mut text = || {
        texts.next().flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    };
    match kind.as_slice() {
        b"message" | b"smessage" => {
            let channel = text();
            let payload = texts.next().flatten().unwrap_or_default();
            let topic = match kind.as_slice() {
                b"message" => Topic::Channel(channel.clone()),
                _ => Topic::Shard(channel.clone()),
            };
            Incoming::Message(topic, Message { channel, pattern: None, payload })
        }
        b"pmessage" => {
            let (pattern, channel) = (text(), text());
            let payload = texts.next().flatten().unwrap_or_default();
            let message = Message { channel, pattern: Some(pattern.clone()), payload };
            Incoming::Message(Topic::Pattern(pattern), message)
        }
        b"subscribe" => Incoming::Subscribed(Topic::Channel(text())),
        b"psubscribe" => Incoming::Subscribed(Topic::Pattern(text())),
        b"ssubscribe" => Incoming::Subscribed(Topic::Shard(text())),
        b"unsubscribe" => Incoming::Unsubscribed(Topic::Channel(text())),
        b"punsubscribe" => Incoming::Unsubscribed(Topic::Pattern(text())),
        b"sunsubscribe" => Incoming::Unsubscribed(Topic::Shard(text())),
        b"pong" => Incoming::Pong,
        _ => Incoming::Other,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn both_protocols_read_the_same() {
        let parts = vec![bulk("pmessage"), bulk("n.*"), bulk("n.1"), bulk("hi")];
        let expected = Incoming::Message(
            Topic::Pattern("n.*".to_owned()),
            Message { channel: "n.1".to_owned(), pattern: Some("n.*".to_owned()), payload: b"hi".to_vec() },
        );
        assert_eq!(read(Reply::Push(parts.clone())), expected);
        assert_eq!(read(Reply::Value(Value::Array(parts))), expected);
        let confirmed = vec![bulk("subscribe"), bulk("c"), Value::Int(1)];
        assert_eq!(read(Reply::Push(confirmed)), Incoming::Subscribed(Topic::Channel("c".to_owned())));
        assert_eq!(read(Reply::Value(Value::Array(vec![bulk("pong"), bulk("")]))), Incoming::Pong);
        assert_eq!(read(Reply::Value(Value::SimpleString("PONG".to_owned()))), Incoming::Pong);
        assert_eq!(read(Reply::Value(Value::Int(1))), Incoming::Other);
    }
}
