//! The patterns of KEYS, PSUBSCRIBE and CONFIG GET.

/// Whether `text` matches `pattern`: `*`, `?`, `[abc]`, `[^a-c]`, and `\` before a character to mean itself.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        Some((b'?', rest)) => !text.is_empty() && matches(rest, &text[1..]),
        Some((b'[', rest)) => class(rest, text),
        Some((b'\\', rest)) if !rest.is_empty() => literal(rest[0], &rest[1..], text),
        Some((byte, rest)) => literal(*byte, rest, text),
    }
}

fn literal(byte: u8, rest: &[u8], text: &[u8]) -> bool {
    text.first() == Some(&byte) && matches(rest, &text[1..])
}

fn class(pattern: &[u8], text: &[u8]) -> bool {
    let Some(end) = pattern.iter().position(|byte| *byte == b']') else { return false };
    let Some(first) = text.first() else { return false };
    let (negated, members) = match &pattern[..end] {
        [b'^', members @ ..] => (true, members),
        members => (false, members),
    };
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        let (low, high, width) = match members[at..] {
            [low, b'-', high, ..] => (low, high, 3),
            [one, ..] => (one, one, 1),
            [] => break,
        };
        found |= (low..=high).contains(first);
        at += width;
    }
    found != negated && matches(&pattern[end + 1..], &text[1..])
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_with_redis() {
        for (pattern, text, held) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a[b-d]", "ac", true),
            ("a[^b-d]", "ac", false),
            ("a[xc]", "ac", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("max*policy", "maxmemory-policy", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), held, "{pattern} {text}");
        }
    }
}
