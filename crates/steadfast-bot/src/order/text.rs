//! Writing, made comparable: one form for letters, digits and signs of every script.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Code points of the digit zero of each script; the other nine follow it. Full-width and mathematical
/// digits are absent because compatibility normalisation has made them ASCII before.
const ZEROS: [u32; 38] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x11066, 0x1E950,
];

/// The ASCII digit for a decimal digit of any script.
pub(crate) fn digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    let code = u32::from(c);
    let zero = ZEROS.iter().find(|&&zero| (zero..zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

/// Whether `c` only steers display: joiners, direction marks, variation selectors, keycap enclosures.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{20E3}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{E0100}'..='\u{E01EF}')
}

/// `text` as it is read and shown back: compatibility forms resolved, invisible signs dropped, line ends
/// as `\n`, other control characters as spaces. Case, accents and digits stay as written.
pub(crate) fn normalise(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut after_return = false;
    for c in text.nfkc().filter(|&c| !is_invisible(c)) {
        let line_feed_of_pair = after_return && c == '\n';
        after_return = c == '\r';
        match c {
            _ if line_feed_of_pair => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{0085}' | '\u{000B}' | '\u{000C}' => normal.push('\n'),
            c if c.is_control() || c.is_whitespace() => normal.push(' '),
            '\u{1F51F}' => normal.push_str("10"),
            c => normal.push(c),
        }
    }
    normal
}

/// Lower case, accents kept: the key where accents tell words apart.
pub(crate) fn lower(word: &str) -> String {
    word.to_lowercase().nfc().collect()
}

/// The key under which words are compared: lower case, Latin accents off, digits ASCII, and the spellings
/// that people mix in Arabic, Devanagari and Bengali made one.
pub(crate) fn fold(word: &str) -> String {
    let mut key = String::with_capacity(word.len());
    for c in word.to_lowercase().nfd() {
        if let Some(digit) = digit(c) {
            key.push(digit);
            continue;
        }
        match c {
            // Accents of Latin, Greek and Cyrillic; Arabic vowel signs, hamza marks and stretching; nuktas.
            '\u{0300}'..='\u{036F}'
            | '\u{064B}'..='\u{065F}'
            | '\u{0670}'
            | '\u{0640}'
            | '\u{093C}'
            | '\u{09BC}' => {}
            'ß' => key.push_str("ss"),
            'æ' => key.push_str("ae"),
            'œ' => key.push_str("oe"),
            'ø' => key.push('o'),
            'đ' => key.push('d'),
            'ł' => key.push('l'),
            'ı' => key.push('i'),
            'ٱ' => key.push('ا'),
            'ة' => key.push('ه'),
            'ى' | 'ی' => key.push('ي'),
            'ک' => key.push('ك'),
            'ँ' => key.push('ं'),
            'ी' => key.push('ि'),
            'ू' => key.push('ु'),
            'ई' => key.push('इ'),
            'ঁ' => {}
            'ী' => key.push('ি'),
            'ঊ' => key.push('উ'),
            c => key.push(c),
        }
    }
    key
}

/// Whether `c` belongs to a word.
pub(crate) fn is_letter(c: char) -> bool {
    c.is_alphabetic() || is_combining_mark(c)
}

/// Whether `c` is a picture or another sign that may stand for a word.
pub(crate) fn is_pictogram(c: char) -> bool {
    matches!(u32::from(c), 0x2190..=0x21FF | 0x2300..=0x27BF | 0x2B00..=0x2BFF | 0x1F000..=0x1FAFF)
}

/// The words of a message for exact comparison: keys without punctuation, one space between.
pub(crate) fn plain_words(text: &str) -> String {
    let normal = normalise(text);
    let mut words = String::with_capacity(normal.len());
    for c in normal.chars() {
        if is_pictogram(c) {
            words.push(' ');
            words.push(c);
            words.push(' ');
        } else if is_letter(c) || digit(c).is_some() {
            words.push(c);
        } else if !matches!(c, '\'' | '’' | '`') && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    fold(&words.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_any_script() {
        for (written, read) in [("२०", "20"), ("٦٧", "67"), ("৫", "5"), ("๔", "4"), ("７", "7"), ("𝟠", "8")]
        {
            assert_eq!(fold(&normalise(written)), read, "{written}");
        }
        assert_eq!(normalise("2️⃣"), "2");
        assert_eq!(normalise("a\r\nb\rc\td"), "a\nb\nc d");
    }

    #[test]
    fn spellings_that_people_mix_are_one() {
        for (one, other) in [
            ("Dreißig", "dreissig"),
            ("trés", "tres"),
            ("ستة", "سته"),
            ("أربع", "اربع"),
            ("पाँच", "पांच"),
            ("हज़ार", "हजार"),
            ("तीस", "तिस"),
            ("đường", "duong"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("सात"), fold("साठ"));
    }

    #[test]
    fn plain_words_have_no_punctuation() {
        assert_eq!(plain_words("  YES!!  Please… "), "yes please");
        assert_eq!(plain_words("👍🏽"), "👍");
        assert_eq!(plain_words("d'accord"), "daccord");
    }
}
