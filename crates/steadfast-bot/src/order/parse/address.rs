//! Where an address begins, and where it ends again.

use super::lex::{Kind, Lexed, Token};
use super::names::Names;
use super::tag::{Piece, Tagged, tag};
use crate::order::words::{self, Role};

/// Characters of an address that are kept.
pub(crate) const ADDRESS_CHARS_MAX: usize = 300;
/// Tokens an address may span; bounds the work that a text full of "to" can cause.
const ADDRESS_TOKENS_MAX: usize = 48;
/// Digits from which a leading number is a postcode, not a quantity.
const POSTCODE_DIGITS: usize = 4;

/// What stands behind a word like "to".
#[derive(Debug)]
pub(crate) enum Behind {
    /// An address that ends before token `end`.
    Address { text: String, end: usize },
    /// A time of day that ends before token `end`.
    Time { end: usize },
}

/// Reads what follows token `at`, which stands behind a phrase of `role`. A look that costs something takes
/// one of `tries`.
pub(crate) fn behind(
    lexed: &Lexed,
    tokens: &[Token],
    names: &Names<'_>,
    at: usize,
    role: Role,
    items_before: bool,
    tries: &mut usize,
) -> Option<Behind> {
    let begin = (at..tokens.len()).find(|&at| match tokens[at].kind {
        Kind::Link | Kind::Bracket | Kind::Line => false,
        Kind::Comma => role != Role::AddressStrong,
        _ => true,
    })?;
    let reader = Reader { lexed, tokens, names };
    let clause_end = clause_end(tokens, begin);
    if clause_end == begin || clause_end - begin > ADDRESS_TOKENS_MAX {
        return None;
    }
    // The cheap question first: "a" stands in many lines that hold no address.
    if role == Role::AddressIn
        && !(reader.names_place(begin, clause_end) || reader.is_time(begin, clause_end))
    {
        return None;
    }
    *tries = tries.checked_sub(1)?;
    let first_end = reader.before_items(begin, clause_end);
    if first_end == begin {
        return None;
    }
    let first = reader.pieces(begin, first_end);
    if is_items(&first) {
        return None;
    }
    if reader.is_time(begin, first_end) {
        return Some(Behind::Time { end: first_end });
    }
    let worded = first.iter().any(|tagged| tagged.piece == Piece::Word);
    let placed = reader.names_place(begin, first_end);
    let accepted = match role {
        Role::AddressStrong => true,
        Role::AddressTo => worded && (items_before || placed || reader.has_number(begin, first_end)),
        _ => items_before && placed,
    };
    if !accepted {
        return None;
    }
    let end = reader.extend(begin, first_end);
    let text = reader.text(begin, end);
    (!text.is_empty()).then_some(Behind::Address { text, end })
}

/// Whether tokens `from..to` are an address although nothing announces one: a number, then a kind of place,
/// and no product. Answers with the text and the token before which it ends, clauses behind included.
pub(super) fn stands_alone(
    lexed: &Lexed,
    names: &Names<'_>,
    from: usize,
    to: usize,
) -> Option<(String, usize)> {
    let reader = Reader { lexed, tokens: &lexed.tokens, names };
    let clause = lexed.tokens.get(from..to).filter(|clause| clause.len() <= ADDRESS_TOKENS_MAX)?;
    let number = clause.iter().position(Token::is_number)?;
    let placed = clause.iter().enumerate().any(|(at, token)| {
        // "3 house wine" is something to drink; "12 rue Hugo" and "12 Main St" are places.
        token.is_word()
            && words::names_place(&token.key)
            && (at != number + 1 || words::leads_place(&token.key))
    });
    let names_product =
        || reader.pieces(from, to).iter().any(|tagged| matches!(tagged.piece, Piece::Product(_)));
    if !placed || names_product() {
        return None;
    }
    let end = reader.extend(from, to);
    let text = reader.text(from, end);
    (!text.is_empty()).then_some((text, end))
}

/// Where the clause that begins at `from` ends; looks no further than an address may reach.
fn clause_end(tokens: &[Token], from: usize) -> usize {
    let limit = tokens.len().min(from + ADDRESS_TOKENS_MAX + 1);
    (from..limit).find(|&at| tokens[at].is_break() || is_joiner(tokens, at)).unwrap_or(limit)
}

fn is_joiner(tokens: &[Token], at: usize) -> bool {
    matches!(tokens[at].kind, Kind::And)
        || words::longest_at(tokens, at).is_some_and(|(roles, len)| len == 1 && roles.contains(&Role::And))
}

/// Only quantities and products, and at least one product.
fn is_items(pieces: &[Tagged]) -> bool {
    let is_item = |piece: &Piece| {
        matches!(piece, Piece::Number { .. } | Piece::Product(_) | Piece::Times | Piece::Link | Piece::Note)
    };
    pieces.iter().all(|tagged| is_item(&tagged.piece))
        && pieces
            .iter()
            .any(|tagged| matches!(tagged.piece, Piece::Product(_)) || tagged.piece == Piece::Times)
}

struct Reader<'a> {
    lexed: &'a Lexed,
    tokens: &'a [Token],
    names: &'a Names<'a>,
}

impl Reader<'_> {
    fn pieces(&self, from: usize, to: usize) -> Vec<Tagged> {
        tag(self.lexed, self.names, from, to, false).pieces
    }

    /// "7 Coke Lane: 2 coke", "7 Coke Lane 2 coke": the address ends where items begin.
    fn before_items(&self, from: usize, to: usize) -> usize {
        let ends = |&at: &usize| {
            let begin = match self.tokens[at].kind {
                Kind::Link => at + 1,
                Kind::Number { .. } if at > from + 1 => at,
                _ => return false,
            };
            let pieces = self.pieces(begin, to);
            let counted = pieces.iter().any(|tagged| matches!(tagged.piece, Piece::Number { .. }));
            counted && is_items(&pieces)
        };
        (from..to).find(ends).unwrap_or(to)
    }

    fn is_time(&self, from: usize, to: usize) -> bool {
        let word = |token: &Token| token.is_word() && words::tells_time(&token.key);
        let at_word = from.checked_sub(1).and_then(|before| self.tokens.get(before)).is_some_and(|before| {
            before.is_word()
                && matches!(before.key.as_str(), "at" | "@" | "by" | "before" | "um" | "om" | "alle")
        });
        match &self.tokens[from..to] {
            // "At 5" is a time; "2 to 3" is a range.
            [only] if only.is_number() => at_word,
            [number, rest @ ..] if number.is_number() => {
                rest.iter().all(|token| word(token) || token.is_number() || matches!(token.kind, Kind::Link))
            }
            [first, ..] => word(first),
            [] => false,
        }
    }

    fn has_number(&self, from: usize, to: usize) -> bool {
        self.tokens[from..to].iter().any(Token::is_number)
    }

    fn names_place(&self, from: usize, to: usize) -> bool {
        self.tokens[from..to].iter().any(|token| token.is_word() && words::names_place(&token.key))
    }

    /// Goes on over commas and joiners until a clause that orders something.
    fn extend(&self, begin: usize, mut end: usize) -> usize {
        while end < self.tokens.len() {
            let from = (end..self.tokens.len())
                .find(|&at| !self.tokens[at].is_break() && !is_joiner(self.tokens, at));
            let Some(from) = from else { break };
            let next = clause_end(self.tokens, from);
            if next <= from || next - begin > ADDRESS_TOKENS_MAX || self.orders(from, next) {
                break;
            }
            end = next;
        }
        end
    }

    /// Whether the clause is an order line: known products, or a small number before words that name no
    /// place. Rather asked about as an unknown product than swallowed by the address.
    fn orders(&self, from: usize, to: usize) -> bool {
        let tags = tag(self.lexed, self.names, from, to, false);
        if is_items(&tags.pieces) || tags.ordering {
            return true;
        }
        let placed =
            self.tokens[from..to].iter().any(|token| token.is_word() && words::names_place(&token.key));
        let [first, rest @ ..] = tags.pieces.as_slice() else { return true };
        let small = matches!(first.piece, Piece::Number { .. })
            && self.tokens[first.from].key.len() < POSTCODE_DIGITS;
        let sold = rest.iter().any(|tagged| matches!(tagged.piece, Piece::Word | Piece::Product(_)));
        let note = matches!(first.piece, Piece::Note);
        note || (small && sold && !placed)
    }

    /// The text, without courtesies at its end.
    fn text(&self, from: usize, mut to: usize) -> String {
        loop {
            let courtesy = (from + 1..to).find(|&at| {
                words::longest_at(self.tokens, at)
                    .is_some_and(|(roles, len)| at + len == to && roles.first() == Some(&Role::Filler))
            });
            let last_is_sign =
                to > from + 1 && !matches!(self.tokens[to - 1].kind, Kind::Word | Kind::Number { .. });
            match courtesy {
                Some(at) => to = at,
                None if last_is_sign => to -= 1,
                None => break,
            }
        }
        self.lexed.slice(from, to).replace('\n', ", ").chars().take(ADDRESS_CHARS_MAX).collect()
    }
}
