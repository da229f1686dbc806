//! What is in an ad: flags and signs, each with the words by which it is known. Pure.

use super::flags::{self, Flag, Severity};
use super::pattern::{Found, Patterns};
use super::pay::{self, Rate};
use super::signs::{self, Sign};
use super::tokens::{Kind, Token, is_invisible, tokens};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

/// What was found. The ranges are bytes of the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Findings {
    /// Red flags, each once.
    pub flags: BTreeMap<Flag, Range<usize>>,
    /// Good signs, each once.
    pub signs: BTreeMap<Sign, Range<usize>>,
    /// Words in the text.
    pub words: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Flag(Flag),
    FeeNamed,
    EmployerPays,
    NoExperience,
    Chat,
    Sign(Sign),
}

static PATTERNS: LazyLock<Patterns<Meaning>> = LazyLock::new(|| {
    let flags = flags::PATTERNS.iter().map(|&(flag, lines)| (Meaning::Flag(flag), lines));
    let signs = signs::PATTERNS.iter().map(|&(sign, lines)| (Meaning::Sign(sign), lines));
    let others = [
        (Meaning::FeeNamed, flags::FEE_NAMED),
        (Meaning::EmployerPays, flags::EMPLOYER_PAYS),
        (Meaning::NoExperience, flags::NO_EXPERIENCE),
        (Meaning::Chat, flags::CHAT),
    ];
    Patterns::read(flags.chain(signs).chain(others))
});

/// From this many dollars on, a fee needs nothing else to be a scam. A little below 100, for exchange rates.
const LARGE_FEE_USD: f64 = 95.0;
/// An ad of fewer words that shows no good sign says nothing.
const VAGUE_WORDS_MAX: usize = 25;

/// Looks through `text`.
pub(super) fn look(text: &str) -> Findings {
    let tokens = tokens(text);
    let mut look =
        Look { text, tokens: &tokens, found: PATTERNS.find(&tokens), findings: Findings::default() };
    look.findings.words =
        tokens.iter().filter(|token| !matches!(token.kind, Kind::Pause | Kind::Stop)).count();
    look.signs();
    look.patterns();
    look.fees();
    look.pay();
    look.contact();
    look.hidden();
    look.vague();
    look.findings
}

struct Look<'a> {
    text: &'a str,
    tokens: &'a [Token],
    found: Vec<Found<Meaning>>,
    findings: Findings,
}

impl Look<'_> {
    /// The bytes of tokens `from..to`, within one line and at most [`SPAN_CHARS_MAX`] characters.
    fn span(&self, from: usize, to: usize) -> Range<usize> {
        let (start, end) = (self.tokens[from].start, self.tokens[to - 1].end);
        shorten(self.text, start..end)
    }

    fn flag(&mut self, flag: Flag, from: usize, to: usize) {
        let span = self.span(from, to);
        self.findings.flags.entry(flag).or_insert(span);
    }

    fn sign(&mut self, sign: Sign, from: usize, to: usize) {
        let span = self.span(from, to);
        self.findings.signs.entry(sign).or_insert(span);
    }

    fn each(&self, meaning: Meaning) -> Vec<Found<Meaning>> {
        self.found.iter().copied().filter(|found| found.meaning == meaning && found.to > found.from).collect()
    }

    fn signs(&mut self) {
        for found in self.found.clone() {
            if let Meaning::Sign(sign) = found.meaning
                && !denied(self.tokens, &found)
            {
                self.sign(sign, found.from, found.to);
            }
        }
        let rates = pay::rates(self.tokens);
        for index in 0..self.tokens.len() {
            match self.tokens[index].kind {
                Kind::Money(_) if pay::plausible_range(self.tokens, index, &rates) => {
                    self.sign(Sign::PayRange, index, index + 1);
                }
                Kind::Email { free: false } => self.sign(Sign::CompanyEmail, index, index + 1),
                Kind::Link if is_careers_link(&self.tokens[index].word) => {
                    self.sign(Sign::CareersPage, index, index + 1)
                }
                _ => {}
            }
        }
        if let Some((from, to)) = named_employer(self.text, self.tokens) {
            self.sign(Sign::Employer, from, to);
        }
    }

    fn patterns(&mut self) {
        for found in self.found.clone() {
            let Meaning::Flag(flag) = found.meaning else { continue };
            let excused = match flag {
                Flag::Fee | Flag::WalletPayment | Flag::WirePayment | Flag::CryptoPayment => {
                    denied(self.tokens, &found) || paid_by_employer(self.tokens, &found)
                }
                // What it denies is the point.
                Flag::Protests | Flag::NoInterview | Flag::ChatOnly | Flag::Instructions => false,
                _ => denied(self.tokens, &found),
            };
            if !excused {
                self.flag(flag, found.from, found.to);
            }
        }
    }

    /// Fees named without being asked for, and the size of those that are.
    fn fees(&mut self) {
        let excuses = self.each(Meaning::EmployerPays);
        for named in self.each(Meaning::FeeNamed) {
            let sentence = sentence(self.tokens, named.from);
            let excused = excuses.iter().any(|excuse| sentence.contains(&excuse.from));
            if !excused && !denied(self.tokens, &named) {
                self.flag(Flag::Fee, named.from, named.to);
            }
        }
        let Some(span) = self.findings.flags.get(&Flag::Fee).cloned() else { return };
        let all = self
            .found
            .iter()
            .filter(|found| matches!(found.meaning, Meaning::Flag(Flag::Fee) | Meaning::FeeNamed));
        let largest = all
            .filter(|found| !denied(self.tokens, found))
            .filter_map(|found| amount_near(self.tokens, found))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some(((from, to), usd)) = largest
            && usd >= LARGE_FEE_USD
        {
            self.findings.flags.remove(&Flag::Fee);
            let wider = self.span(from, to);
            self.findings.flags.insert(Flag::LargeFee, if wider.is_empty() { span } else { wider });
        }
    }

    fn pay(&mut self) {
        let qualified = [Sign::Licence, Sign::Degree, Sign::Experience]
            .iter()
            .any(|sign| self.findings.signs.contains_key(sign));
        let mut rates = pay::rates(self.tokens);
        rates.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
        let Some(&Rate { from, to, .. }) = rates.first() else { return };
        let excess = rates.first().map_or(0.0, Rate::excess);
        let no_experience = self.each(Meaning::NoExperience);
        if excess >= 0.6
            && let Some(none) = no_experience.first()
        {
            self.flag(Flag::NoExperienceHighPay, none.from, none.to);
        }
        // A contractor with years of experience may well be paid by the day.
        if excess >= 1.0 && (!qualified || excess >= 4.0) {
            self.flag(Flag::UnrealisticPay, from, to);
        }
    }

    fn contact(&mut self) {
        let reachable = self.findings.signs.contains_key(&Sign::CareersPage)
            || self.findings.signs.contains_key(&Sign::CompanyEmail);
        let chat = self.each(Meaning::Chat).first().copied();
        let chat_link = |token: &Token| {
            token.kind == Kind::Link && (token.word.contains("wa.me") || token.word.contains("t.me"))
        };
        let link = self.tokens.iter().position(chat_link);
        let free = self.tokens.iter().position(|token| token.kind == Kind::Email { free: true });
        if !reachable && free.is_none() {
            match (chat, link) {
                (Some(chat), _) => self.flag(Flag::ChatOnly, chat.from, chat.to),
                (None, Some(link)) => self.flag(Flag::ChatOnly, link, link + 1),
                (None, None) => {}
            }
        }
        let Some(free) = free else { return };
        let brand = self.tokens.iter().any(|token| flags::BRANDS.contains(&token.word.as_str()));
        let flag = if brand && !reachable { Flag::BrandFreeMail } else { Flag::FreeMail };
        self.flag(flag, free, free + 1);
    }

    /// Characters that nobody sees inside words, and those that turn the reading direction.
    fn hidden(&mut self) {
        let latin_or_cyrillic = |c: char| c.is_ascii_alphabetic() || ('\u{400}'..'\u{500}').contains(&c);
        let letters: Vec<(usize, char)> = self.text.char_indices().collect();
        let inside = letters.windows(3).find(|window| {
            is_invisible(window[1].1) && latin_or_cyrillic(window[0].1) && latin_or_cyrillic(window[2].1)
        });
        let turned = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0001}'..='\u{e007f}');
        let at = inside
            .map(|window| window[1].0)
            .or_else(|| letters.iter().find(|&&(_, c)| turned(c)).map(|&(at, _)| at));
        let Some(at) = at else { return };
        let start = self.text[..at]
            .rfind(char::is_whitespace)
            .map_or(0, |space| space + self.text[space..].chars().next().map_or(1, char::len_utf8));
        let end = self.text[at..].find(char::is_whitespace).map_or(self.text.len(), |space| at + space);
        let span = shorten(self.text, start..end);
        self.findings.flags.entry(Flag::HiddenText).or_insert(span);
    }

    fn vague(&mut self) {
        // Hours and a name alone say nothing of an employer.
        let telling =
            self.findings.signs.keys().filter(|sign| !matches!(sign, Sign::Hours | Sign::Employer)).count();
        let serious = self.findings.flags.keys().any(|flag| flag.severity() > Severity::Mild);
        if telling == 0 && !serious && self.findings.words < VAGUE_WORDS_MAX {
            let span = shorten(self.text, 0..self.text.len());
            self.findings.flags.entry(Flag::Vague).or_insert(span);
        }
    }
}

/// The longest quotation, in characters.
pub(super) const SPAN_CHARS_MAX: usize = 90;

/// The most telling line of `range` (the longest), without white space around it, cut to
/// [`SPAN_CHARS_MAX`] characters at a word where there is one.
pub(super) fn shorten(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let line = piece.lines().map(str::trim).max_by_key(|line| line.len()).unwrap_or_default();
    let start = range.start + piece.find(line).unwrap_or(0);
    let Some((limit, _)) = line.char_indices().nth(SPAN_CHARS_MAX) else { return start..start + line.len() };
    let cut = line[..limit].rfind(char::is_whitespace).filter(|&cut| cut > limit / 2).unwrap_or(limit);
    start..start + line[..cut].trim_end().len()
}

/// The tokens of the sentence that token `at` stands in.
fn sentence(tokens: &[Token], at: usize) -> Range<usize> {
    let stop = |token: &Token| token.kind == Kind::Stop;
    let start = tokens[..at].iter().rposition(stop).map_or(0, |stop| stop + 1);
    let end = tokens[at..].iter().position(stop).map_or(tokens.len(), |stop| at + stop);
    start..end
}

/// The largest amount in a match or up to four words beside it, with the stretch that holds both.
fn amount_near(tokens: &[Token], found: &Found<Meaning>) -> Option<((usize, usize), f64)> {
    let sentence = sentence(tokens, found.from);
    let from = found.from.saturating_sub(4).max(sentence.start);
    let to = (found.to + 4).min(sentence.end);
    let usd = |index: usize| match tokens[index].kind {
        Kind::Money(amount) => Some((index, amount.high_usd())),
        _ => None,
    };
    let rates = pay::rates(tokens);
    let is_pay = |index: usize| rates.iter().any(|rate| (rate.from..rate.to).contains(&index));
    let (at, usd) =
        (from..to).filter(|&index| !is_pay(index)).filter_map(usd).max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(((found.from.min(at), found.to.max(at + 1)), usd))
}

/// Whether the match is denied where it stands: "no registration fee", "we never ask for your bank details",
/// "registration fee nahi". Only within its clause; "no experience needed, pay the fee" denies nothing.
fn denied(tokens: &[Token], found: &Found<Meaning>) -> bool {
    const NO: [&str; 8] = ["no", "zero", "without", "free", "sem", "sin", "aucun", "बिना"];
    const NEVER: [&str; 16] = [
        "never",
        "not",
        "dont",
        "doesnt",
        "wont",
        "do not",
        "cannot",
        "neither",
        "nunca",
        "jamas",
        "nao",
        "jamais",
        "nahi",
        "nahin",
        "नहीं",
        "mat",
    ];
    const AFTER: [&str; 10] =
        ["nahi", "nahin", "nhi", "नहीं", "छैन", "लाग्दैन", "पर्दैन", "lagdaina", "pardaina", "chhaina"];
    let clause = |token: &&Token| !matches!(token.kind, Kind::Pause | Kind::Stop);
    let before: Vec<&str> = tokens[..found.from]
        .iter()
        .rev()
        .take_while(clause)
        .take(6)
        .map(|token| token.word.as_str())
        .collect();
    let inside = &tokens[found.from..found.to];
    let has_amount = inside.iter().any(|token| matches!(token.kind, Kind::Money(_)));
    let reach = if has_amount { 1 } else { 2 };
    let mut after = tokens[found.to..].iter().take_while(clause).take(3).map(|token| token.word.as_str());
    before.iter().take(reach).any(|word| NO.contains(word))
        || before.iter().any(|word| NEVER.contains(word))
        || inside
            .iter()
            .skip(1)
            .any(|token| NO[..3].contains(&token.word.as_str()) || NEVER.contains(&token.word.as_str()))
        || after.any(|word| AFTER.contains(&word))
}

/// "We pay the registration fee", "paid by the company".
fn paid_by_employer(tokens: &[Token], found: &Found<Meaning>) -> bool {
    const WHO: [&str; 8] = ["we", "company", "employer", "client", "hospital", "they", "who", "us"];
    let before = found.from.checked_sub(1).and_then(|index| tokens.get(index));
    let pays =
        tokens.get(found.from).is_some_and(|token| token.word.starts_with("pa") || token.word == "deposit");
    pays && before.is_some_and(|token| WHO.contains(&token.word.as_str()))
}

fn is_careers_link(link: &str) -> bool {
    ["career", "/jobs", "/job/", ".jobs", "vacanc", "/apply", "recruit"]
        .iter()
        .any(|part| link.contains(part))
}

/// "at Acme", "join Acme Foods", "Acme Ltd": a name with a capital where an employer is named.
fn named_employer(text: &str, tokens: &[Token]) -> Option<(usize, usize)> {
    const BEFORE: [&str; 10] = ["at", "join", "with", "en", "na", "no", "chez", "em", "para", "for"];
    const NOT_NAMES: [&str; 24] = [
        "home",
        "once",
        "whatsapp",
        "telegram",
        "gmail",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "us",
        "our",
        "my",
        "the",
        "this",
        "your",
        "you",
        "a",
        "all",
        "immediate",
        "casa",
        "data",
    ];
    let capital = |token: &Token| {
        let raw = &text[token.start..token.end];
        let mut letters = raw.chars();
        let first = letters.next().is_some_and(char::is_uppercase);
        // A text all in capitals names nothing by them.
        let rest_lower = letters.any(char::is_lowercase);
        token.kind == Kind::Word && first && rest_lower && !NOT_NAMES.contains(&token.word.as_str())
    };
    for pair in 0..tokens.len().saturating_sub(1) {
        if BEFORE.contains(&tokens[pair].word.as_str()) && capital(&tokens[pair + 1]) {
            let more = tokens[pair + 2..].iter().take(3).take_while(|token| capital(token)).count();
            return Some((pair + 1, pair + 2 + more));
        }
    }
    None
}
