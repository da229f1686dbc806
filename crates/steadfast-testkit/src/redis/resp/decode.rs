//! From bytes to replies.

use super::Reply;
use anyhow::{Context, bail, ensure};

/// The longest line of a header or simple string, in bytes.
const LINE_MAX: usize = 64 * 1024;
/// The longest bulk string, in bytes; the limit of Redis itself.
const BULK_MAX: usize = 512 * 1024 * 1024;
/// The deepest nesting of arrays.
const DEPTH_MAX: usize = 32;

/// The first reply in `bytes` and how many bytes it takes; nothing if it is not complete yet.
///
/// # Errors
/// If the bytes cannot be the start of a reply of RESP2 or RESP3.
pub fn decode_reply(bytes: &[u8]) -> anyhow::Result<Option<(Reply, usize)>> {
    let mut cursor = Cursor { bytes, at: 0 };
    Ok(cursor.reply(0)?.map(|reply| (reply, cursor.at)))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn reply(&mut self, depth: usize) -> anyhow::Result<Option<Reply>> {
        ensure!(depth <= DEPTH_MAX, "the reply is nested deeper than {DEPTH_MAX}");
        let Some((kind, text)) = self.line()? else { return Ok(None) };
        let reply = match kind {
            b'+' => Reply::Simple(text.to_owned()),
            b'-' => Reply::Error(text.to_owned()),
            b':' => Reply::Integer(text.parse().with_context(|| format!("not an integer: {text:?}"))?),
            b',' => Reply::Double(text.parse().with_context(|| format!("not a number: {text:?}"))?),
            b'#' => Reply::Boolean(text == "t"),
            b'_' => Reply::Null,
            b'$' | b'=' | b'!' => return self.bulk(kind, text),
            b'*' | b'~' | b'>' => return self.array(kind, text, depth),
            b'%' => return self.map(text, depth),
            other => bail!("no reply starts with {:?}", char::from(other)),
        };
        Ok(Some(reply))
    }

    /// The next line without its end: its first byte and the rest.
    fn line(&mut self) -> anyhow::Result<Option<(u8, &'a str)>> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.windows(2).take(LINE_MAX).position(|pair| pair == b"\r\n") else {
            ensure!(rest.len() <= LINE_MAX, "a line has no end within {LINE_MAX} bytes");
            return Ok(None);
        };
        self.at += end + 2;
        let (kind, text) = rest[..end].split_first().context("a line is empty")?;
        Ok(Some((*kind, std::str::from_utf8(text).context("a line is not text")?)))
    }

    fn bulk(&mut self, kind: u8, length: &str) -> anyhow::Result<Option<Reply>> {
        if length == "-1" {
            return Ok(Some(Reply::Null));
        }
        let length: usize = length.parse().with_context(|| format!("not a length: {length:?}"))?;
        ensure!(length <= BULK_MAX, "a bulk string of {length} bytes is too long");
        let rest = &self.bytes[self.at..];
        if rest.len() < length + 2 {
            return Ok(None);
        }
        ensure!(&rest[length..length + 2] == b"\r\n", "a bulk string does not end where it said");
        self.at += length + 2;
        let body = &rest[..length];
        Ok(Some(match kind {
            b'$' => Reply::Bulk(body.to_vec()),
            b'!' => Reply::Error(String::from_utf8_lossy(body).into_owned()),
            _ => {
                ensure!(body.len() >= 4 && body[3] == b':', "verbatim text without its kind");
                Reply::Verbatim(String::from_utf8_lossy(&body[..3]).into_owned(), body[4..].to_vec())
            }
        }))
    }

    fn array(&mut self, kind: u8, length: &str, depth: usize) -> anyhow::Result<Option<Reply>> {
        if length == "-1" {
            return Ok(Some(Reply::NullArray));
        }
        let length: usize = length.parse().with_context(|| format!("not a length: {length:?}"))?;
        let mut items = Vec::new();
        for _ in 0..length {
            let Some(item) = self.reply(depth + 1)? else { return Ok(None) };
            items.push(item);
        }
        Ok(Some(match kind {
            b'*' => Reply::Array(items),
            b'~' => Reply::Set(items),
            _ => Reply::Push(items),
        }))
    }

    fn map(&mut self, length: &str, depth: usize) -> anyhow::Result<Option<Reply>> {
        let length: usize = length.parse().with_context(|| format!("not a length: {length:?}"))?;
        let mut pairs = Vec::new();
        for _ in 0..length {
            let Some(key) = self.reply(depth + 1)? else { return Ok(None) };
            let Some(value) = self.reply(depth + 1)? else { return Ok(None) };
            pairs.push((key, value));
        }
        Ok(Some(Reply::Map(pairs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::{Protocol, encode_reply};
    use proptest::prelude::*;

    fn replies() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            "[ -~]{0,20}".prop_map(Reply::Simple),
            "[ -~]{0,20}".prop_map(Reply::Error),
            any::<i64>().prop_map(Reply::Integer),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Reply::Bulk),
            Just(Reply::Null),
            (-1e9..1e9).prop_map(Reply::Double),
            any::<bool>().prop_map(Reply::Boolean),
            proptest::collection::vec(any::<u8>(), 0..9)
                .prop_map(|bytes| Reply::Verbatim("txt".to_owned(), bytes)),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            let many = || proptest::collection::vec(inner.clone(), 0..5);
            prop_oneof![
                many().prop_map(Reply::Array),
                many().prop_map(Reply::Set),
                many().prop_map(Reply::Push),
                proptest::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Reply::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_in_resp3_is_decoded_again_and_no_prefix_is_taken_for_it(reply in replies()) {
            let mut bytes = Vec::new();
            encode_reply(&reply, Protocol::Resp3, &mut bytes);
            for cut in 0..bytes.len() {
                prop_assert!(decode_reply(&bytes[..cut]).expect("a prefix").is_none());
            }
            bytes.extend_from_slice(b"+more");
            let (decoded, taken) = decode_reply(&bytes).expect("valid").expect("complete");
            prop_assert_eq!(decoded, reply);
            prop_assert_eq!(taken, bytes.len() - 5);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode_reply(&bytes);
        }
    }

    #[test]
    fn garbage_is_an_error() {
        for bytes in [&b"HTTP/1.1 400\r\n"[..], b"$9999999999\r\n", b":x\r\n", b"\r\n", b"$1\r\nabc\r\n"] {
            assert!(decode_reply(bytes).is_err(), "{bytes:?}");
        }
    }
}
