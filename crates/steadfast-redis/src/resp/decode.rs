//! Replies out of bytes.

use super::line;
use bytes::{Buf, BytesMut};
use redis::{Value, VerbatimFormat};

/// The longest line (a status, an error, a number, a length), in bytes.
const LINE_MAX: usize = 64 * 1024;
/// How deep arrays may lie in each other.
const DEPTH_MAX: usize = 64;
/// The longest string that a length may announce: what lies beyond is no string but a broken stream.
const BULK_MAX: u64 = 8 << 30;
/// What a value costs beside its bytes, about. Bounds an array of very many very small values.
const VALUE_COST: u64 = 32;

/// A whole reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// The answer to a command.
    Value(Value),
    /// An error: the server's text, without the `-`.
    Error(String),
    /// It was larger than the bound; its bytes were read and dropped, and the connection is in order.
    Oversized {
        /// How large it was, at least.
        bytes: u64,
    },
    /// A message out of turn (protocol 3): the kind first.
    Push(Vec<Value>),
}

/// The bytes are no reply: the connection cannot be used any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    /// The first byte of a value is none.
    #[error("expected a reply, got {0:?}")]
    NotAReply(String),
    /// A length or number that is none.
    #[error("a length or number that is none: {0:?}")]
    Number(String),
    /// A line without an end.
    #[error("a line of more than {LINE_MAX} bytes")]
    Line,
    /// Arrays in arrays without an end.
    #[error("values more than {DEPTH_MAX} deep in each other")]
    Depth,
    /// A reply to nothing.
    #[error("a reply to nothing: {0}")]
    Unasked(String),
    /// A string that does not end where its length says.
    #[error("a string that does not end where its length says")]
    Tail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Set,
    Map,
    Attribute,
    Push,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Values still to come.
    missing: u64,
    items: Vec<Value>,
}

#[derive(Debug, Clone, Copy)]
enum Text {
    Bulk,
    Verbatim,
    Error,
}

/// What a step found.
enum Step {
    /// More bytes are needed.
    Wait,
    /// A value without parts.
    Value(Value),
    /// An error's text.
    Error(String),
    /// An aggregate was opened, or a string's length was read.
    Opened,
}

/// Decodes replies as bytes come in. Keeps what it has of a reply between calls, so each byte is looked
/// at once.
#[derive(Debug)]
pub(crate) struct Decoder {
    limit: u64,
    open: Vec<Open>,
    /// Bytes of an unfinished line that were searched already.
    searched: usize,
    /// A string whose length was read.
    text: Option<(Text, usize)>,
    /// Bytes to drop, of a string beyond the bound.
    drop: u64,
    /// The reply so far.
    size: u64,
}

impl Decoder {
    /// A decoder that keeps no more than `limit` bytes of one reply.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, open: Vec::new(), searched: 0, text: None, drop: 0, size: 0 }
    }

    /// The next whole reply in `bytes`, which are consumed as far as they were understood.
    ///
    /// # Errors
    /// The bytes are no reply. Nothing after that can be understood.
    pub(crate) fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Reply>, ProtocolError> {
        loop {
            let value = match self.step(bytes)? {
                Step::Wait => return Ok(None),
                Step::Opened => match self.closed_empty() {
                    Some(value) => value,
                    None => continue,
                },
                Step::Error(text) if self.open.is_empty() => {
                    self.size = 0;
                    return Ok(Some(Reply::Error(text)));
                }
                Step::Error(text) => nested_error(&text),
                Step::Value(value) => value,
            };
            if let Some(reply) = self.fold(value) {
                return Ok(Some(reply));
            }
        }
    }

    fn step(&mut self, bytes: &mut BytesMut) -> Result<Step, ProtocolError> {
        if self.drop > 0 {
            let now = usize::try_from(self.drop).unwrap_or(usize::MAX).min(bytes.len());
            bytes.advance(now);
            self.drop -= now as u64;
            return Ok(if self.drop > 0 { Step::Wait } else { Step::Value(Value::Nil) });
        }
        if let Some((text, length)) = self.text {
            return self.take_text(bytes, text, length);
        }
        let Some(end) = line::end(bytes, self.searched) else {
            self.searched = bytes.len().saturating_sub(1);
            if is_foreign(bytes) {
                return Err(ProtocolError::NotAReply(shown(bytes)));
            }
            return if bytes.len() > LINE_MAX { Err(self.long_line(bytes)) } else { Ok(Step::Wait) };
        };
        self.searched = 0;
        let step = self.take_line(&bytes[..end])?;
        bytes.advance(end + 2);
        Ok(step)
    }

    fn long_line(&self, bytes: &BytesMut) -> ProtocolError {
        if begins_reply(bytes) { ProtocolError::Line } else { ProtocolError::NotAReply(shown(bytes)) }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Step, ProtocolError> {
        let Some((kind, rest)) = line.split_first() else {
            return Err(ProtocolError::NotAReply(String::new()));
        };
        self.size += line.len() as u64 + VALUE_COST;
        Ok(match kind {
            b'+' if rest == b"OK" => Step::Value(Value::Okay),
            b'+' => Step::Value(Value::SimpleString(String::from_utf8_lossy(rest).into_owned())),
            b'-' => Step::Error(String::from_utf8_lossy(rest).into_owned()),
            b':' => Step::Value(Value::Int(number(rest)?)),
            b'_' => Step::Value(Value::Nil),
            b'#' => match rest {
                b"t" => Step::Value(Value::Boolean(true)),
                b"f" => Step::Value(Value::Boolean(false)),
                _ => return Err(ProtocolError::Number(shown(rest))),
            },
            b',' => {
                let text = std::str::from_utf8(rest).ok();
                let double = text.and_then(|text| text.parse().ok());
                Step::Value(Value::Double(double.ok_or_else(|| ProtocolError::Number(shown(rest)))?))
            }
            // Which type it becomes depends on how the redis crate was built: it decides itself.
            b'(' => Step::Value(
                redis::parse_redis_value(&[line, b"\r\n"].concat())
                    .map_err(|_| ProtocolError::Number(shown(rest)))?,
            ),
            b'$' => self.text(Text::Bulk, rest)?,
            b'=' => self.text(Text::Verbatim, rest)?,
            b'!' => self.text(Text::Error, rest)?,
            b'*' => self.aggregate(Kind::Array, rest)?,
            b'~' => self.aggregate(Kind::Set, rest)?,
            b'%' => self.aggregate(Kind::Map, rest)?,
            b'|' => self.aggregate(Kind::Attribute, rest)?,
            b'>' => self.aggregate(Kind::Push, rest)?,
            _ => return Err(ProtocolError::NotAReply(shown(line))),
        })
    }

    fn text(&mut self, text: Text, length: &[u8]) -> Result<Step, ProtocolError> {
        let announced = number(length)?;
        if announced == -1 {
            return Ok(Step::Value(Value::Nil));
        }
        let bytes = u64::try_from(announced).ok().filter(|bytes| *bytes <= BULK_MAX);
        let bytes = bytes.ok_or_else(|| ProtocolError::Number(shown(length)))?;
        self.size += bytes;
        match usize::try_from(bytes) {
            Ok(length) if !self.is_oversized() => self.text = Some((text, length)),
            _ => {
                self.forget();
                self.drop = bytes + 2;
            }
        }
        Ok(Step::Opened)
    }

    fn take_text(&mut self, bytes: &mut BytesMut, text: Text, length: usize) -> Result<Step, ProtocolError> {
        if bytes.len() < length + 2 {
            // One growth to the whole length instead of many on the way; it is within the bound.
            bytes.reserve(length + 2 - bytes.len());
            return Ok(Step::Wait);
        }
        if &bytes[length..length + 2] != b"\r\n" {
            return Err(ProtocolError::Tail);
        }
        self.text = None;
        let content = bytes[..length].to_vec();
        bytes.advance(length + 2);
        Ok(match text {
            Text::Bulk => Step::Value(Value::BulkString(content)),
            Text::Error => Step::Error(String::from_utf8_lossy(&content).into_owned()),
            Text::Verbatim => Step::Value(verbatim(&content)),
        })
    }

    fn aggregate(&mut self, kind: Kind, length: &[u8]) -> Result<Step, ProtocolError> {
        let announced = number(length)?;
        if announced == -1 {
            return Ok(Step::Value(Value::Nil));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(ProtocolError::Depth);
        }
        let count = u64::try_from(announced).map_err(|_| ProtocolError::Number(shown(length)))?;
        let each = if matches!(kind, Kind::Map | Kind::Attribute) { 2 } else { 1 };
        let missing = count.checked_mul(each).ok_or_else(|| ProtocolError::Number(shown(length)))?;
        // Memory for what has come, not for what a length announces.
        let room = if self.is_oversized() { 0 } else { usize::try_from(missing.min(256)).unwrap_or(0) };
        self.open.push(Open { kind, missing, items: Vec::with_capacity(room) });
        Ok(Step::Opened)
    }

    /// The innermost aggregate, if it is complete with nothing in it.
    fn closed_empty(&mut self) -> Option<Value> {
        if self.text.is_some() || self.drop > 0 {
            return None;
        }
        let done = self.open.pop_if(|open| open.missing == 0)?;
        (done.kind != Kind::Attribute).then(|| done.into_value())
    }

    /// Puts a value where it belongs; the reply, if that completes it.
    fn fold(&mut self, mut value: Value) -> Option<Reply> {
        loop {
            let oversized = self.is_oversized();
            if oversized {
                self.forget();
            }
            let Some(open) = self.open.last_mut() else {
                let bytes = std::mem::take(&mut self.size);
                return Some(match value {
                    _ if oversized => Reply::Oversized { bytes },
                    Value::Push { data, .. } => Reply::Push(data),
                    value => Reply::Value(value),
                });
            };
            if !oversized {
                open.items.push(value);
            }
            open.missing -= 1;
            let done = self.open.pop_if(|open| open.missing == 0)?;
            // What a server says about the value that follows; nobody here asks for it.
            if done.kind == Kind::Attribute {
                return None;
            }
            value = done.into_value();
        }
    }

    fn is_oversized(&self) -> bool {
        self.size > self.limit
    }

    /// Of a reply that is too large only the shape is followed, to find its end.
    fn forget(&mut self) {
        for open in &mut self.open {
            open.items = Vec::new();
        }
    }
}

impl Open {
    fn into_value(self) -> Value {
        match self.kind {
            Kind::Array | Kind::Attribute => Value::Array(self.items),
            Kind::Set => Value::Set(self.items),
            Kind::Push => Value::Push { kind: redis::PushKind::Other(String::new()), data: self.items },
            Kind::Map => {
                let mut items = self.items.into_iter();
                let mut pairs = Vec::with_capacity(items.len() / 2);
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Value::Map(pairs)
            }
        }
    }
}

fn verbatim(content: &[u8]) -> Value {
    let text = String::from_utf8_lossy(content);
    let (format, text) = text.split_once(':').unwrap_or(("txt", &text));
    let format = match format {
        "txt" => VerbatimFormat::Text,
        "mkd" => VerbatimFormat::Markdown,
        other => VerbatimFormat::Unknown(other.to_owned()),
    };
    Value::VerbatimString { format, text: text.to_owned() }
}

/// An error inside an array, as the redis crate has it: only its own parser can make one.
fn nested_error(text: &str) -> Value {
    let line = format!("-{}\r\n", text.replace(['\r', '\n'], " "));
    redis::parse_redis_value(line.as_bytes()).unwrap_or_else(|_| Value::SimpleString(text.to_owned()))
}

fn number(digits: &[u8]) -> Result<i64, ProtocolError> {
    line::number(digits).ok_or_else(|| ProtocolError::Number(shown(digits)))
}

fn begins_reply(bytes: &[u8]) -> bool {
    const KINDS: &[u8] = b"+-:$*_,#!=(%~>|.";
    bytes.first().is_some_and(|first| KINDS.contains(first))
}

/// True if these are no reply and no text either: whoever talks so need not come to the end of a line. TLS and databases do.
fn is_foreign(bytes: &[u8]) -> bool {
    let is_text = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\r' | b'\n' | b'\t');
    !bytes.is_empty() && !begins_reply(bytes) && !bytes.iter().all(is_text)
}

/// The start of `bytes` for a message: short, printable.
fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(32)];
    start.iter().map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '?' }).collect()
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
