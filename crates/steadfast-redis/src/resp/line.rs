//! Lines and the numbers in them.

/// The position of the line's `\r\n` in `bytes`, searching from `from`.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = bytes.get(at..)?.iter().position(|byte| *byte == b'\n')? + at;
        if found > 0 && bytes[found - 1] == b'\r' {
            return Some(found - 1);
        }
        at = found + 1;
    }
}

/// A decimal number with an optional sign.
pub(super) fn number(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        let digit = i64::from(char::from(*digit).to_digit(10)?);
        // Downwards, so that the smallest number fits.
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_to_both_ends() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"-1"), Some(-1));
        assert_eq!(number(b"+17"), Some(17));
        assert_eq!(number(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(number(b"-9223372036854775808"), Some(i64::MIN));
        for bad in [&b""[..], b"-", b"9223372036854775808", b"1a", b" 1", b"1 "] {
            assert_eq!(number(bad), None);
        }
    }

    #[test]
    fn a_line_ends_with_both_bytes() {
        assert_eq!(end(b"+OK\r\n", 0), Some(3));
        assert_eq!(end(b"+O\nK\r\n", 0), Some(4));
        assert_eq!(end(b"+OK\r", 0), None);
        assert_eq!(end(b"", 0), None);
    }
}
