//! A text as words, numbers, amounts, addresses and breaks, each with its place in the text.

use super::money::{self, Amount};
use crate::router::words::fold;

/// One piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// What it is.
    pub kind: Kind,
    /// Folded (lower case, no Latin accents): compared with the words of patterns.
    pub word: String,
    /// Its first byte in the text.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Letters, perhaps with digits.
    Word,
    /// A number.
    Number(f64),
    /// An amount of money.
    Money(Amount),
    /// An e-mail address; `free` if its provider gives one to anybody.
    Email {
        /// Anybody's.
        free: bool,
    },
    /// A web address.
    Link,
    /// A pause within a sentence: comma, colon, dash, line end.
    Pause,
    /// The end of a sentence or paragraph.
    Stop,
}

/// Providers at which anybody gets an address.
const FREE_MAIL: &[&str] = &[
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "ymail.com",
    "hotmail.com",
    "outlook.com",
    "live.com",
    "msn.com",
    "aol.com",
    "icloud.com",
    "mail.com",
    "email.com",
    "gmx.com",
    "gmx.net",
    "proton.me",
    "protonmail.com",
    "mail.ru",
    "yandex.com",
    "rediffmail.com",
    "zohomail.com",
    "tutanota.com",
    "inbox.com",
];

/// Takes `text` apart.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if c.is_whitespace() {
            white(rest, at, &mut found)
        } else {
            let chunk = rest.split(char::is_whitespace).next().unwrap_or(rest);
            if at_start_of_chunk(text, at) && address(chunk, at, &mut found) {
                chunk.len()
            } else {
                run(rest, at, &mut found)
            }
        };
        at += length;
    }
    money::joined(text, &found)
}

fn at_start_of_chunk(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_none_or(char::is_whitespace)
}

fn push(found: &mut Vec<Token>, kind: Kind, word: String, start: usize, end: usize) {
    found.push(Token { kind, word, start, end });
}

/// White space: a line end is a pause, a blank line an end.
fn white(rest: &str, at: usize, found: &mut Vec<Token>) -> usize {
    let length = rest.len() - rest.trim_start().len();
    match rest[..length].matches('\n').count() {
        0 => {}
        1 => push(found, Kind::Pause, String::new(), at, at + length),
        _ => push(found, Kind::Stop, String::new(), at, at + length),
    }
    length
}

/// An e-mail or web address that fills a whole chunk, but for punctuation around it.
fn address(chunk: &str, at: usize, found: &mut Vec<Token>) -> bool {
    let outer = |c: char| !c.is_alphanumeric() && c != '/';
    let inner = chunk.trim_matches(outer);
    let start = at + (chunk.len() - chunk.trim_start_matches(outer).len());
    let folded = inner.to_lowercase();
    let kind = match folded.split_once('@') {
        Some((name, host)) if !name.is_empty() && host.contains('.') && host.chars().all(host_char) => {
            Kind::Email { free: FREE_MAIL.contains(&host) }
        }
        Some(_) => return false,
        None if is_link(&folded) => Kind::Link,
        None => return false,
    };
    let end = start + inner.len();
    push(found, kind, folded, start, end);
    // A sentence may end behind it.
    if chunk[end - at..].contains(['.', '!', '?']) {
        push(found, Kind::Stop, String::new(), end, at + chunk.len());
    }
    true
}

fn host_char(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || c == '-'
}

fn is_link(folded: &str) -> bool {
    const ENDS: [&str; 22] = [
        "com", "org", "net", "io", "co", "me", "in", "np", "uk", "us", "de", "es", "br", "mx", "fr", "jobs",
        "gov", "edu", "info", "xyz", "top", "app",
    ];
    if folded.starts_with("http://") || folded.starts_with("https://") || folded.starts_with("www.") {
        return true;
    }
    let host = folded.split('/').next().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let named = labels.first().is_some_and(|label| label.chars().any(char::is_alphabetic));
    named
        && labels.len() >= 2
        && labels
            .iter()
            .all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'))
        && labels.last().is_some_and(|end| ENDS.contains(end))
}

/// Characters that show nothing and can hide between letters.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// The next run of letters or digits, or one sign.
fn run(rest: &str, at: usize, found: &mut Vec<Token>) -> usize {
    let first = rest.chars().next().unwrap_or(' ');
    if first.is_numeric() {
        return number(rest, at, found);
    }
    let of_word = |c: char| {
        c.is_alphabetic()
            || unicode_normalization::char::is_combining_mark(c)
            || is_invisible(c)
            || "'’".contains(c)
    };
    if first.is_alphabetic() {
        let mut length = rest.find(|c: char| !of_word(c) && !c.is_numeric()).unwrap_or(rest.len());
        // "R$", "US$".
        if rest[length..].starts_with('$') && length <= 2 {
            length += 1;
        }
        let visible: String = rest[..length].chars().filter(|&c| !is_invisible(c)).collect();
        let word = if visible.ends_with('$') { visible.to_lowercase() } else { fold(&visible) };
        push(found, Kind::Word, word, at, at + length);
        return length;
    }
    let end = at + first.len_utf8();
    match first {
        '$' | '€' | '£' | '₹' | '₱' | '₦' | '%' => {
            push(found, Kind::Word, first.to_string(), at, end)
        }
        // A point between digits or letters ("Rs.500", "Node.js") ends nothing.
        '.' if rest[1..].starts_with(char::is_alphanumeric) || is_abbreviation(found.last()) => {}
        '.' | '!' | '?' | ';' | '।' | '。' => push(found, Kind::Stop, String::new(), at, end),
        ',' | ':' | '(' | ')' | '•' | '|' | '–' | '—' | '*' => {
            push(found, Kind::Pause, String::new(), at, end)
        }
        _ => {}
    }
    first.len_utf8()
}

/// Words whose point ends no sentence.
fn is_abbreviation(last: Option<&Token>) -> bool {
    last.is_some_and(|token| {
        matches!(token.word.as_str(), "rs" | "mr" | "mrs" | "ms" | "dr" | "approx" | "रु")
    })
}

/// A number with its separators: "1,20,000", "10.50", "200k", "५००"; what follows it directly without being
/// a thousand's letter makes it a word ("401k" is kept as the word too).
fn number(rest: &str, at: usize, found: &mut Vec<Token>) -> usize {
    let mut length = 0;
    let mut chars = rest.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        let more = chars.peek().is_some_and(|&(_, next)| next.is_numeric());
        if !(c.is_numeric() || ((c == ',' || c == '.') && more)) {
            break;
        }
        length = index + c.len_utf8();
    }
    let digits = &rest[..length];
    let letters: String = rest[length..].chars().take_while(|c| c.is_alphabetic()).collect();
    let factor = match letters.to_lowercase().as_str() {
        "" => 1.0,
        "k" => 1_000.0,
        _ => 0.0,
    };
    let end = length + letters.len();
    let word = fold(&rest[..end]).replace(' ', "");
    match value(digits) {
        Some(value) if factor > 0.0 => push(found, Kind::Number(value * factor), word, at, at + end),
        // "24hours", "500rs": a number and a word.
        Some(value) if letters.len() > 1 => {
            push(found, Kind::Number(value), digits.to_owned(), at, at + length);
            push(found, Kind::Word, fold(&letters), at + length, at + end);
        }
        _ => push(found, Kind::Word, word, at, at + end),
    }
    end
}

fn value(digits: &str) -> Option<f64> {
    let mut plain = String::new();
    let last = digits.rfind([',', '.']);
    for (index, c) in digits.char_indices() {
        match c {
            // The last separator is a decimal point unless three digits follow it.
            ',' | '.' if Some(index) == last && digits[index + 1..].chars().count() != 3 => plain.push('.'),
            ',' | '.' => {}
            _ => plain.push(char::from_digit(digit(c)?, 10)?),
        }
    }
    plain.parse().ok()
}

fn digit(c: char) -> Option<u32> {
    c.to_digit(10).or_else(|| {
        // The ten digits of a script follow each other.
        let zero = [0x0660, 0x06f0, 0x0966, 0x09e6, 0xff10]
            .into_iter()
            .find(|&zero| (zero..zero + 10).contains(&u32::from(c)));
        zero.map(|zero| u32::from(c) - zero)
    })
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
