//! Changes to an order being put together: "remove oil", "make it 3 rice", "+1 coke".

mod verbs;

use super::numerals;
use super::parse::lex::{Kind, Lexed, Token, lex};
use super::parse::{Context, ParsedOrder, Parser, Problem, Quoted};
use verbs::{VERBS, Verb};

/// Tokens behind "no" that are searched for a word of ordering.
const CLAUSE_TOKENS_MAX: usize = 24;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// More of something.
    Add {
        /// Of which product.
        sku: String,
        /// How many, at least 1.
        quantity: u32,
    },
    /// Less of something.
    Remove {
        /// Of which product.
        sku: String,
        /// How many; all of it where nothing was said.
        quantity: Option<u32>,
    },
    /// Exactly so many of something.
    Set {
        /// Of which product.
        sku: String,
        /// How many, at least 1.
        quantity: u32,
    },
    /// Exactly so many of the only product in the order.
    SetOnly {
        /// How many, at least 1.
        quantity: u32,
    },
    /// Nothing of anything.
    Clear,
}

/// The changes a text asks for, in order.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// What to change.
    pub changes: Vec<Change>,
    /// Where to deliver, if it says so.
    pub address: Option<String>,
    /// What could not be taken.
    pub problems: Vec<Problem>,
}

impl Edit {
    /// Whether anything of it can be carried out.
    pub fn changes_something(&self) -> bool {
        !self.changes.is_empty() || self.address.is_some()
    }
}

impl std::fmt::Debug for Edit {
    /// Everything but the address.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edit")
            .field("changes", &self.changes)
            .field("has_address", &self.address.is_some())
            .field("problems", &self.problems)
            .finish()
    }
}

/// Reads `text` as changes; `None` if no word of it changes anything, so that it is plain order lines or
/// something else.
pub fn parse(text: &str, parser: &Parser<'_>) -> Option<Edit> {
    let cut = text.char_indices().nth(super::parse::TEXT_CHARS_MAX).map_or(text, |(end, _)| &text[..end]);
    let lexed = lex(cut);
    let clauses = clauses(&lexed, parser);
    if clauses.iter().all(|clause| clause.verb.is_none()) {
        return assignment(&lexed, parser);
    }
    let mut edit = Edit::default();
    for clause in clauses {
        let text = lexed.slice(clause.from, clause.to);
        match clause.verb {
            None | Some(Verb::Lead) => edit.add(parser.parse(text, Context::Bare)),
            Some(Verb::Add) => edit.add(parser.parse(text, Context::Order)),
            Some(Verb::Remove | Verb::Without) => edit.remove(text, parser),
            Some(Verb::Set | Verb::Only) => edit.set(&lexed, &clause, parser),
        }
    }
    Some(edit)
}

/// Part of a text under one verb, `from..to` without the verb.
#[derive(Debug)]
struct Clause {
    verb: Option<Verb>,
    from: usize,
    to: usize,
}

/// Cuts the text where a verb begins a clause.
fn clauses(lexed: &Lexed, parser: &Parser<'_>) -> Vec<Clause> {
    let tokens = &lexed.tokens;
    let mut clauses: Vec<Clause> = Vec::new();
    let mut at = 0;
    let mut begins = true;
    while at < tokens.len() {
        let found = if begins { verb_at(lexed, at, parser) } else { None };
        match found {
            Some((Verb::Lead, len)) => at += len,
            Some((verb, len)) => {
                if let Some(open) = clauses.last_mut() {
                    open.to = before_joiner(tokens, at);
                }
                clauses.push(Clause { verb: Some(verb), from: at + len, to: tokens.len() });
                at += len;
                begins = false;
            }
            None => {
                if clauses.is_empty() {
                    clauses.push(Clause { verb: None, from: at, to: tokens.len() });
                }
                begins = is_joiner(&tokens[at]);
                at += 1;
            }
        }
    }
    clauses.retain(|clause| clause.verb.is_some() || clause.from < clause.to);
    clauses
}

fn is_joiner(token: &Token) -> bool {
    token.is_break()
        || matches!(token.kind, Kind::And)
        || (token.is_word()
            && matches!(
                token.key.as_str(),
                "and"
                    | "y"
                    | "e"
                    | "et"
                    | "und"
                    | "en"
                    | "dan"
                    | "na"
                    | "र"
                    | "और"
                    | "then"
                    | "but"
                    | "pero"
                    | "mais"
                    | "aber"
                    | "ma"
                    | "ra"
            ))
}

fn before_joiner(tokens: &[Token], mut at: usize) -> usize {
    while at > 0 && is_joiner(&tokens[at - 1]) {
        at -= 1;
    }
    at
}

/// The verb that begins at token `at`, and its length.
fn verb_at(lexed: &Lexed, at: usize, parser: &Parser<'_>) -> Option<(Verb, usize)> {
    let tokens = &lexed.tokens;
    let next_word = tokens.get(at + 1).is_some_and(|next| next.is_word() || next.is_number());
    match tokens[at].kind {
        // "+1 coke", at the very beginning.
        Kind::And if at == 0 && next_word => return Some((Verb::Add, 1)),
        Kind::Minus if at == 0 => return Some((Verb::Remove, 1)),
        _ => {}
    }
    let (verbs, len) = VERBS.longest_at(tokens, at)?;
    let verb = *verbs.first()?;
    match verb {
        // "No oil" removes; "no, 2 rice" and "no I want rice" do not.
        Verb::Without | Verb::Only => {
            let end = (at + len..tokens.len()).find(|&at| tokens[at].is_break()).unwrap_or(tokens.len());
            let rest = lexed.slice(at + len, end.min(at + len + CLAUSE_TOKENS_MAX));
            let follows = tokens.get(at + len).is_some_and(|next| next.is_word() || next.is_number());
            (follows && !parser.orders(rest)).then_some((verb, len))
        }
        _ => Some((verb, len)),
    }
}

/// "Rice = 3" sets.
fn assignment(lexed: &Lexed, parser: &Parser<'_>) -> Option<Edit> {
    let equals = |token: &Token| {
        matches!(token.kind, Kind::Link) && lexed.text.get(token.start..token.end) == Some("=")
    };
    if !lexed.tokens.iter().any(equals) {
        return None;
    }
    let order = parser.parse(&lexed.text, Context::Bare);
    let changes: Vec<Change> =
        order.items.into_iter().map(|item| Change::Set { sku: item.sku, quantity: item.quantity }).collect();
    (!changes.is_empty()).then_some(Edit { changes, address: order.address, problems: order.problems })
}

impl Edit {
    fn add(&mut self, order: ParsedOrder) {
        self.address = order.address.or_else(|| self.address.take());
        self.problems.extend(order.problems);
        let adds = order.items.into_iter().map(|item| Change::Add { sku: item.sku, quantity: item.quantity });
        self.changes.extend(adds);
    }

    fn remove(&mut self, text: &str, parser: &Parser<'_>) {
        let rest = without_all(text);
        if rest.is_empty() {
            return self.changes.push(Change::Clear);
        }
        let order = parser.parse(rest, Context::Named);
        for item in order.items {
            self.changes.push(Change::Remove { sku: item.sku, quantity: Some(item.quantity) });
        }
        for problem in order.problems {
            match problem {
                Problem::QuantityMissing { sku } => self.changes.push(Change::Remove { sku, quantity: None }),
                problem => self.problems.push(problem),
            }
        }
    }

    fn set(&mut self, lexed: &Lexed, clause: &Clause, parser: &Parser<'_>) {
        let text = lexed.slice(clause.from, clause.to);
        if clause.verb == Some(Verb::Set)
            && let Some(split) = splitter(lexed, clause)
        {
            let (left, right) = (lexed.slice(clause.from, split), lexed.slice(split + 1, clause.to));
            return self.replace(left, right, text, parser);
        }
        if let Some(quantity) = lone_number(text, parser) {
            return self.changes.push(Change::SetOnly { quantity });
        }
        let order = parser.parse(text, Context::Named);
        self.address = order.address.or_else(|| self.address.take());
        self.problems.extend(order.problems);
        for item in order.items {
            self.changes.push(Change::Set { sku: item.sku, quantity: item.quantity });
        }
    }

    /// "Change `left` to `right`".
    fn replace(&mut self, left: &str, right: &str, whole: &str, parser: &Parser<'_>) {
        let announced = parser.parse(&format!("{left}: {right}"), Context::Named);
        let named = parser.parse(left, Context::Named);
        let sku = match (named.items.as_slice(), named.problems.as_slice()) {
            ([item], []) => Some(item.sku.clone()),
            ([], [Problem::QuantityMissing { sku }]) => Some(sku.clone()),
            _ => None,
        };
        let Some(sku) = sku else {
            // "Change address to 12 Main St".
            if let Some(address) = announced.address.filter(|_| named.items.is_empty()) {
                self.address = Some(address);
            } else if named.problems.is_empty() {
                self.problems.push(Problem::NotUnderstood { text: Quoted::new(whole) });
            } else {
                self.problems.extend(named.problems);
            }
            return;
        };
        let name = parser.catalogue().by_sku(&sku).map_or(sku.as_str(), |product| product.name.as_str());
        let bare_name = name.split('(').next().unwrap_or(name);
        let counted = parser.parse(&format!("{right} {bare_name}"), Context::Named);
        let fully_named = parser.parse(&format!("{right} x {name}"), Context::Named);
        let other = parser.parse(right, Context::Named);
        match (counted.items.as_slice(), fully_named.items.as_slice(), other.items.as_slice()) {
            (_, _, [item]) if other.problems.is_empty() && item.sku == sku => {
                self.changes.push(Change::Set { sku, quantity: item.quantity });
            }
            (_, _, [item]) if other.problems.is_empty() => {
                self.changes.push(Change::Remove { sku, quantity: None });
                self.changes.push(Change::Add { sku: item.sku.clone(), quantity: item.quantity });
            }
            ([item], _, _) | (_, [item], _) if item.sku == sku => {
                self.changes.push(Change::Set { sku, quantity: item.quantity });
            }
            _ => {
                let problems = if counted.problems.is_empty() { other.problems } else { counted.problems };
                match problems.into_iter().next() {
                    Some(problem) => self.problems.push(problem),
                    None => self.problems.push(Problem::NotUnderstood { text: Quoted::new(whole) }),
                }
            }
        }
    }
}

/// The "to" that parts what is from what shall be.
fn splitter(lexed: &Lexed, clause: &Clause) -> Option<usize> {
    let parts = |token: &Token| {
        matches!(token.kind, Kind::Link)
            || (token.is_word()
                && matches!(
                    token.key.as_str(),
                    "to" | "into"
                        | "a"
                        | "por"
                        | "para"
                        | "en"
                        | "auf"
                        | "in"
                        | "zu"
                        | "naar"
                        | "jadi"
                        | "menjadi"
                        | "thanh"
                        | "kuwa"
                        | "को"
                        | "में"
                ))
    };
    // Not the first token: "make to"; not the last: nothing follows.
    (clause.from + 1..clause.to.saturating_sub(1)).find(|&at| parts(&lexed.tokens[at]))
}

/// The whole number that `text` is, as in "make it 3".
fn lone_number(text: &str, parser: &Parser<'_>) -> Option<u32> {
    let lexed = lex(text);
    let numeral = numerals::read(&lexed.tokens, 0, true)?;
    let quantity = u32::try_from(numeral.amount.as_whole()?).ok()?;
    let rest = &lexed.tokens[numeral.len..];
    let only_unit = match rest {
        [] => true,
        [unit] => super::units::Unit::parse(&unit.key)
            .is_some_and(|unit| unit.size().same_as(super::amount::Amount::ONE)),
        _ => false,
    };
    (only_unit && (1..=parser.catalogue().quantity_max).contains(&quantity)).then_some(quantity)
}

/// What is left of "all of the oil", "everything".
fn without_all(text: &str) -> &str {
    let mut rest = text.trim();
    loop {
        let word = rest.split_whitespace().next().unwrap_or("");
        let all = matches!(
            super::text::fold(word).as_str(),
            "all"
                | "of"
                | "the"
                | "everything"
                | "every"
                | "my"
                | "cart"
                | "order"
                | "todo"
                | "todos"
                | "todas"
                | "tudo"
                | "tout"
                | "tous"
                | "toutes"
                | "alles"
                | "alle"
                | "tutto"
                | "tutti"
                | "semua"
                | "सबै"
                | "सब"
        );
        if word.is_empty() || !all {
            return rest;
        }
        rest = rest[word.len()..].trim_start();
    }
}

#[cfg(test)]
mod tests;
