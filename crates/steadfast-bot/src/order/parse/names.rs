//! The catalogue's names, ready to be found in a text.

use crate::order::amount::Amount;
use crate::order::parse::lex::{Kind, Lexed, Token, lex};
use crate::order::units::{Dimension, Pack, Unit};
use std::collections::{HashMap, HashSet};
use steadfast_core::catalogue::{Catalogue, Product};

/// Letters of a name that are compared; longer ones match only exactly.
const FUZZY_CHARS_MAX: usize = 48;
/// Candidates offered for one unclear name.
pub(crate) const CANDIDATES_MAX: usize = 5;

/// How well a key names a product; smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Its name, alias or sku.
    Exact,
    /// A plural or singular of that.
    Inflected,
    /// Its name without the pack size.
    Shortened,
    /// A plural or singular of that.
    ShortenedInflected,
}

#[derive(Debug)]
struct Entry {
    rank: Rank,
    product: usize,
}

/// What a phrase may mean in this catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// One product, by its index.
    Product(usize),
    /// Several, equally well.
    Several(Vec<usize>),
}

/// A name as it is compared letter by letter.
#[derive(Debug)]
struct Spelling {
    letters: Vec<char>,
    digits: String,
    product: usize,
}

/// The index over one catalogue.
#[derive(Debug)]
pub(crate) struct Names<'c> {
    pub(crate) catalogue: &'c Catalogue,
    keys: HashMap<String, Vec<Entry>>,
    spellings: Vec<Spelling>,
    words: HashSet<String>,
    packs: Vec<Option<Pack>>,
    tokens_max: usize,
    by_position: bool,
}

impl<'c> Names<'c> {
    pub(crate) fn new(catalogue: &'c Catalogue) -> Self {
        let mut names = Self {
            catalogue,
            keys: HashMap::new(),
            spellings: Vec::new(),
            words: HashSet::new(),
            packs: Vec::with_capacity(catalogue.products.len()),
            tokens_max: 1,
            by_position: !has_numbers(catalogue),
        };
        for (index, product) in catalogue.products.iter().enumerate() {
            let name = lex(&product.name);
            names.packs.push(pack_of(&name));
            names.add(&name.tokens, index, Rank::Exact);
            names.add(without_pack(&name.tokens), index, Rank::Shortened);
            for alias in &product.aliases {
                names.add(&lex(alias).tokens, index, Rank::Exact);
            }
            if !has_number(product) {
                names.add(&lex(&product.sku).tokens, index, Rank::Exact);
            }
        }
        names
    }

    fn add(&mut self, tokens: &[Token], product: usize, rank: Rank) {
        let key = join(tokens);
        // A name of digits alone would swallow every quantity.
        if key.is_empty() || key.chars().all(|c| c.is_ascii_digit()) {
            return;
        }
        self.tokens_max = self.tokens_max.max(tokens.len());
        self.words.extend(tokens.iter().filter(|token| token.is_word()).map(|token| token.key.clone()));
        let letters: Vec<char> = key.chars().collect();
        if letters.len() <= FUZZY_CHARS_MAX {
            let digits = key.chars().filter(char::is_ascii_digit).collect();
            self.spellings.push(Spelling { letters, digits, product });
        }
        let inflected = if rank == Rank::Exact { Rank::Inflected } else { Rank::ShortenedInflected };
        for stem in stems(&key) {
            self.keys.entry(stem).or_default().push(Entry { rank: inflected, product });
        }
        self.keys.entry(key).or_default().push(Entry { rank, product });
    }

    /// Whether `key` is a word of some name.
    pub(crate) fn knows_word(&self, key: &str) -> bool {
        self.words.contains(key) || self.keys.contains_key(key)
    }

    /// The product that `1x2` means by its 1: by sku, or by place in the menu where no sku is a number.
    pub(crate) fn by_number(&self, digits: &str) -> Option<usize> {
        let trimmed = digits.trim_start_matches('0');
        if self.by_position {
            let place: usize = trimmed.parse().ok()?;
            return (1..=self.catalogue.products.len()).contains(&place).then(|| place - 1);
        }
        let products = &self.catalogue.products;
        let exact = products.iter().position(|product| product.sku == digits);
        exact.or_else(|| products.iter().position(|product| product.sku.trim_start_matches('0') == trimmed))
    }

    pub(crate) fn product(&self, index: usize) -> Option<&'c Product> {
        self.catalogue.products.get(index)
    }

    pub(crate) fn pack(&self, index: usize) -> Option<Pack> {
        self.packs.get(index).copied().flatten()
    }

    /// The longest name that begins at token `at`, and how many tokens it spans.
    pub(crate) fn longest_at(&self, tokens: &[Token], at: usize) -> Option<(Found, usize)> {
        let longest = self.tokens_max.min(tokens.len() - at);
        (1..=longest).rev().find_map(|len| {
            let window = &tokens[at..at + len];
            let edges_hold = [window.first(), window.last()].into_iter().flatten().all(may_stand_at_edge);
            if !edges_hold || window.iter().any(Token::is_break) {
                return None;
            }
            Some((self.exact(&join(window))?, len))
        })
    }

    /// What the joined key means, plurals included.
    pub(crate) fn exact(&self, key: &str) -> Option<Found> {
        if key.is_empty() {
            return None;
        }
        let direct = self.best_of(self.keys.get(key).into_iter().flatten());
        direct.or_else(|| {
            stems(key).into_iter().find_map(|stem| {
                let entries = self.keys.get(&stem).into_iter().flatten();
                self.best_of(entries)
            })
        })
    }

    fn best_of<'e>(&self, entries: impl Iterator<Item = &'e Entry> + Clone) -> Option<Found> {
        let best = entries.clone().map(|entry| entry.rank).min()?;
        found(entries.filter(|entry| entry.rank == best).map(|entry| entry.product))
    }

    /// The product whose name is closest to the joined key within the allowed distance; all of them when
    /// several are equally close.
    pub(crate) fn fuzzy(&self, key: &str) -> Option<Found> {
        let letters: Vec<char> = key.chars().collect();
        if letters.len() < 3 || letters.len() > FUZZY_CHARS_MAX {
            return None;
        }
        let digits: String = key.chars().filter(char::is_ascii_digit).collect();
        let forms: Vec<Vec<char>> =
            std::iter::once(letters).chain(stems(key).iter().map(|stem| stem.chars().collect())).collect();
        let close: Vec<(usize, usize)> = self
            .spellings
            .iter()
            .filter(|spelling| spelling.digits == digits)
            .filter_map(|spelling| {
                let distances =
                    forms.iter().filter_map(|form| distance_within_bound(form, &spelling.letters));
                Some((distances.min()?, spelling.product))
            })
            .collect();
        let best = close.iter().map(|&(distance, _)| distance).min()?;
        found(close.into_iter().filter(|&(distance, _)| distance == best).map(|(_, product)| product))
    }

    /// Products that share a word with `tokens`, or are spelt somewhat like them: worth offering, never
    /// worth assuming.
    pub(crate) fn similar(&self, tokens: &[Token]) -> Vec<usize> {
        let mut similar = Vec::new();
        let words: Vec<&str> = tokens
            .iter()
            .filter(|token| token.is_word() && token.key.chars().count() > 2)
            .map(|token| token.key.as_str())
            .collect();
        for word in words.iter().take(8) {
            for found in [self.exact(word), self.fuzzy(word)].into_iter().flatten() {
                match found {
                    Found::Product(product) => similar.push(product),
                    Found::Several(products) => similar.extend(products),
                }
            }
            let letters: Vec<char> = word.chars().collect();
            let parts: Vec<Vec<char>> = std::iter::once(letters.clone())
                .chain(stems(word).iter().map(|stem| stem.chars().collect()))
                .filter(|part: &Vec<char>| part.len() > 3)
                .collect();
            for spelling in &self.spellings {
                let holds_word = parts.iter().any(|part| contains(&spelling.letters, part));
                let alike = letters.len() <= FUZZY_CHARS_MAX
                    && letters.len() > 2
                    && spelling.digits.is_empty()
                    && distance(&letters, &spelling.letters, 1) <= 1;
                if holds_word || alike {
                    similar.push(spelling.product);
                }
            }
        }
        let mut seen = HashSet::new();
        similar.retain(|product| seen.insert(*product));
        similar.truncate(CANDIDATES_MAX);
        similar
    }
}

/// Whether the menu's numbers are skus; otherwise they are places in the menu.
pub(crate) fn has_numbers(catalogue: &Catalogue) -> bool {
    catalogue.products.iter().any(has_number)
}

fn has_number(product: &Product) -> bool {
    !product.sku.is_empty() && product.sku.bytes().all(|byte| byte.is_ascii_digit())
}

fn may_stand_at_edge(token: &Token) -> bool {
    matches!(token.kind, Kind::Word | Kind::Number { .. })
}

fn contains(letters: &[char], part: &[char]) -> bool {
    letters.windows(part.len()).any(|window| window == part)
}

fn found(products: impl Iterator<Item = usize>) -> Option<Found> {
    let mut several: Vec<usize> = products.collect();
    several.sort_unstable();
    several.dedup();
    match several.as_slice() {
        [] => None,
        [one] => Some(Found::Product(*one)),
        _ => {
            several.truncate(CANDIDATES_MAX);
            Some(Found::Several(several))
        }
    }
}

/// Words and numbers as one key: "Coca-Cola", "coca cola" and "cocacola" are the same. An "and" stays
/// visible, so that "rice and oil" never becomes a product called "Rice Oil".
pub(crate) fn join(tokens: &[Token]) -> String {
    let mut key = String::new();
    for token in tokens {
        match token.kind {
            Kind::Word if is_and(&token.key) && tokens.len() > 1 => key.push('&'),
            Kind::Word | Kind::Number { .. } => key.push_str(&token.key),
            Kind::And => key.push('&'),
            Kind::Times => key.push('×'),
            _ => {}
        }
    }
    key
}

fn is_and(key: &str) -> bool {
    matches!(key, "and" | "n" | "y" | "e" | "et" | "und")
}

/// Singular forms of a key by the plural endings of several languages, likeliest first.
fn stems(key: &str) -> Vec<String> {
    let mut stems = Vec::new();
    let mut cut = |ending: &str, instead: &str, least: usize| {
        if let Some(stem) = key.strip_suffix(ending)
            && stem.chars().count() >= least
        {
            stems.push(format!("{stem}{instead}"));
        }
    };
    cut("ies", "y", 2);
    cut("sses", "ss", 1);
    cut("shes", "sh", 1);
    cut("ches", "ch", 1);
    cut("xes", "x", 1);
    cut("oes", "o", 2);
    if !key.ends_with("ss") && !key.ends_with("us") {
        cut("s", "", 3);
    }
    cut("es", "", 3);
    cut("ves", "f", 2);
    cut("eaux", "eau", 1);
    stems
}

/// The size in the name: the last number that a unit follows, or "dozen" alone.
fn pack_of(name: &Lexed) -> Option<Pack> {
    let sized = |(index, token): (usize, &Token)| {
        let unit = Unit::parse(&token.key).filter(|_| token.is_word())?;
        let amount =
            index.checked_sub(1).and_then(|at| name.tokens.get(at)).and_then(|before| match before.kind {
                Kind::Number { amount, .. } => Some(amount),
                _ => None,
            });
        let dimension = match unit.dimension() {
            // "Eggs (6 pack)" holds six pieces; a bare "box" says nothing about its size.
            Dimension::Container if amount.is_some() => Dimension::Pieces,
            Dimension::Container => return None,
            dimension => dimension,
        };
        let amount = match amount {
            Some(amount) => amount,
            None if matches!(unit, Unit::Dozen | Unit::Pair | Unit::Kilogram) => Amount::ONE,
            None => return None,
        };
        let size = amount.times(unit.size());
        (!size.is_zero()).then_some(Pack { dimension, size })
    };
    name.tokens.iter().enumerate().rev().find_map(sized)
}

/// The tokens before the size or the bracket that ends the name.
fn without_pack(tokens: &[Token]) -> &[Token] {
    let mut end = tokens.len();
    if let Some(open) = tokens.iter().position(|token| matches!(token.kind, Kind::Bracket))
        && matches!(tokens.last().map(|token| token.kind), Some(Kind::Bracket))
    {
        end = open;
    } else if let [.., number, unit] = tokens
        && number.is_number()
        && unit.is_word()
        && Unit::parse(&unit.key).is_some()
    {
        end -= 2;
    }
    if end == 0 { tokens } else { &tokens[..end] }
}

/// The distance between two spellings if it is within the bound: one letter, two where the name has more
/// than seven. Short words must be longer than three letters and begin alike: "pea" is not "tea", "dice" is
/// not "rice".
fn distance_within_bound(written: &[char], name: &[char]) -> Option<usize> {
    let (shorter, longer) = (written.len().min(name.len()), written.len().max(name.len()));
    if shorter < 3 || longer < 4 {
        return None;
    }
    let bound = if name.len() > 7 { 2 } else { 1 };
    if longer < 6 && written.first() != name.first() {
        return None;
    }
    let distance = distance(written, name, bound);
    (distance <= bound).then_some(distance)
}

/// Edit distance with neighbours swapped counting once; anything above `bound` is `bound + 1`.
fn distance(left: &[char], right: &[char], bound: usize) -> usize {
    if left.len().abs_diff(right.len()) > bound {
        return bound + 1;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut current = Vec::with_capacity(right.len() + 1);
        current.push(row + 1);
        for (column, &b) in right.iter().enumerate() {
            let mut cost =
                (last[column] + usize::from(a != b)).min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a == right[column - 1] && left[row - 1] == b {
                cost = cost.min(before_last[column - 1] + 1);
            }
            current.push(cost);
        }
        if current.iter().min().is_some_and(|&least| least > bound) {
            return bound + 1;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(bound + 1)
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
