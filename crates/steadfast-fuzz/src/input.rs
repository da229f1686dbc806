//! Cutting an input into its parts.

/// The first line, without its end, and everything behind it.
pub(crate) fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// A line as text, as far as it is text.
pub(crate) fn text_line(bytes: &[u8]) -> (&str, &[u8]) {
    let (line, rest) = line(bytes);
    (lossy(line), rest)
}

/// As much from the beginning of `bytes` as is text.
pub(crate) fn lossy(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// A number out of a line: its digits, or what its bytes add up to.
pub(crate) fn number(line: &[u8]) -> usize {
    lossy(line).trim().parse().unwrap_or_else(|_| line.iter().map(|&byte| usize::from(byte)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_cut_at_its_lines() {
        assert_eq!(line(b"a\nb\nc"), (&b"a"[..], &b"b\nc"[..]));
        assert_eq!(line(b"a"), (&b"a"[..], &b""[..]));
        assert_eq!(text_line(b"a\xff\nb").0, "a");
        assert_eq!((number(b"12"), number(b"\x01\x02")), (12, 3));
    }
}
