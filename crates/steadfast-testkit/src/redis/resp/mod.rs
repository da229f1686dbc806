//! The wire: RESP2 and RESP3, both directions.

mod decode;
mod encode;
mod request;

pub use decode::decode_reply;
pub use encode::{command_bytes, encode_reply};
pub use request::{Request, decode_request};

use std::fmt;

/// The version of the protocol spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// What every connection starts with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// One reply, with the type it has in RESP3.
///
/// In RESP2 maps, sets and pushes travel as arrays, doubles and verbatim text as bulk strings, booleans as
/// integers; what is decoded from RESP2 has therefore only the RESP2 types.
#[derive(Clone, PartialEq)]
pub enum Reply {
    /// `+OK`.
    Simple(String),
    /// `-ERR …`, with its code as the first word.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// Bytes with a length.
    Bulk(Vec<u8>),
    /// No value: `$-1` in RESP2, `_` in RESP3.
    Null,
    /// No array: `*-1` in RESP2, `_` in RESP3.
    NullArray,
    /// Replies in order.
    Array(Vec<Reply>),
    /// Pairs.
    Map(Vec<(Reply, Reply)>),
    /// Replies without order.
    Set(Vec<Reply>),
    /// What the server says unasked: pub/sub messages.
    Push(Vec<Reply>),
    /// A floating point number.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// Text with its kind of three letters.
    Verbatim(String, Vec<u8>),
}

impl Reply {
    /// `+OK`.
    pub fn ok() -> Self {
        Self::Simple("OK".to_owned())
    }

    /// A bulk string.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    /// An error; `text` starts with its code.
    pub fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    /// An array of bulk strings.
    pub fn bulks<I: IntoIterator<Item: AsRef<[u8]>>>(items: I) -> Self {
        Self::Array(items.into_iter().map(Self::bulk).collect())
    }

    /// A count as an integer.
    pub fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Its text, if it is a simple, bulk or verbatim string of valid UTF-8.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Simple(text) => Some(text),
            Self::Bulk(bytes) | Self::Verbatim(_, bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Its number, if it is an integer or a string that reads as one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => other.text()?.parse().ok(),
        }
    }

    /// Its items, if it is an array, a set or a push.
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a field of a map, or of an array of alternating names and values.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => {
                pairs.iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
            }
            Self::Array(items) => {
                let mut pairs = items.chunks_exact(2);
                pairs.find(|pair| pair[0].text() == Some(name)).map(|pair| &pair[1])
            }
            _ => None,
        }
    }

    /// The text of the error, if it is one.
    pub fn error_text(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is an error of this code.
    pub fn is_error(&self, code: &str) -> bool {
        self.error_text().is_some_and(|text| text.split(' ').next() == Some(code))
    }

    /// Whether it is `+OK`.
    pub fn is_ok(&self) -> bool {
        *self == Self::ok()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "+{text}"),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Integer(number) => write!(f, ":{number}"),
            Self::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Null => write!(f, "null"),
            Self::NullArray => write!(f, "null array"),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Set(items) => f.debug_set().entries(items).finish(),
            Self::Push(items) => f.debug_tuple("push").field(items).finish(),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish(),
            Self::Double(number) => write!(f, ",{number}"),
            Self::Boolean(held) => write!(f, "#{held}"),
            Self::Verbatim(kind, bytes) => write!(f, "{kind}:\"{}\"", bytes.escape_ascii()),
        }
    }
}
