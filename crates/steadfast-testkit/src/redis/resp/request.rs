//! From bytes to commands, as a server reads them.

/// A command: its name and its arguments, as sent.
pub type Request = Vec<Vec<u8>>;

/// The longest inline command or header, in bytes; the limit of Redis itself.
const LINE_MAX: usize = 64 * 1024;
/// The most arguments of a command; the limit of Redis itself.
const ARGS_MAX: i64 = 2_147_483_647;
/// The longest argument, in bytes; the limit of Redis itself.
const ARG_MAX: i64 = 512 * 1024 * 1024;

/// The first command in `bytes` and how many bytes it takes; nothing if it is not complete yet.
///
/// Inline commands are words separated by spaces; quoting is not understood. An empty command is an empty list.
///
/// # Errors
/// The words with which Redis refuses such bytes, without the leading `ERR`, before it closes the connection.
pub fn decode_request(bytes: &[u8]) -> Result<Option<(Request, usize)>, String> {
    let Some((line, mut at)) = line(bytes, 0, "too big inline request")? else { return Ok(None) };
    let Some(count) = line.strip_prefix(b"*") else {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return Ok(Some((words.map(<[u8]>::to_vec).collect(), at)));
    };
    let count = number(count).filter(|count| *count <= ARGS_MAX).ok_or("invalid multibulk length")?;
    let mut args = Vec::new();
    for _ in 0..count {
        let Some((arg, end)) = argument(bytes, at)? else { return Ok(None) };
        args.push(arg.to_vec());
        at = end;
    }
    Ok(Some((args, at)))
}

fn argument(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, String> {
    let Some((header, at)) = line(bytes, at, "too big bulk count string")? else { return Ok(None) };
    let Some(length) = header.strip_prefix(b"$") else {
        let got = header.first().map_or(' ', |byte| char::from(*byte));
        return Err(format!("expected '$', got '{got}'"));
    };
    let length = number(length).filter(|length| (0..=ARG_MAX).contains(length));
    let length = length.and_then(|length| usize::try_from(length).ok()).ok_or("invalid bulk length")?;
    match bytes.get(at..at + length + 2) {
        Some(body) => Ok(Some((&body[..length], at + length + 2))),
        None => Ok(None),
    }
}

/// The line that starts at `at`, without its end, and where the next one starts.
fn line<'a>(bytes: &'a [u8], at: usize, too_long: &str) -> Result<Option<(&'a [u8], usize)>, String> {
    let rest = &bytes[at..];
    match rest.iter().take(LINE_MAX).position(|byte| *byte == b'\n') {
        Some(end) => Ok(Some((rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]), at + end + 1))),
        None if rest.len() >= LINE_MAX => Err(too_long.to_owned()),
        None => Ok(None),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command_bytes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sent_is_read_again(args in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..6)) {
            let mut bytes = command_bytes(args.iter());
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode_request(&bytes[..cut]), Ok(None));
            }
            bytes.extend_from_slice(b"*1\r\n");
            prop_assert_eq!(decode_request(&bytes), Ok(Some((args, bytes.len() - 4))));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode_request(&bytes);
        }
    }

    #[test]
    fn inline_commands_are_words() {
        let ping = vec![b"PING".to_vec(), b"a".to_vec()];
        assert_eq!(decode_request(b" PING  a\r\nrest"), Ok(Some((ping, 10))));
        assert_eq!(decode_request(b"\r\n"), Ok(Some((vec![], 2))));
    }

    #[test]
    fn refusals_are_in_the_words_of_redis() {
        assert_eq!(decode_request(b"*2147483648\r\n"), Err("invalid multibulk length".to_owned()));
        assert_eq!(decode_request(b"*1\r\n+PING\r\n"), Err("expected '$', got '+'".to_owned()));
        assert_eq!(decode_request(b"*1\r\n$-5\r\n"), Err("invalid bulk length".to_owned()));
        assert_eq!(decode_request(&[b'a'; LINE_MAX]), Err("too big inline request".to_owned()));
    }
}
