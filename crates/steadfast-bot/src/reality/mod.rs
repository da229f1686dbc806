//! The reality check: how far can this job ad be trusted? By rules, over the text alone.
//!
//! Three reasons go with every verdict. Each quotes words that stand in the ad, or says honestly what was not
//! found; none can contradict the class, because it is drawn from what made the class.

mod detect;
mod flags;
mod money;
mod pattern;
mod pay;
mod reasons;
mod score;
mod signs;
mod tokens;
pub mod verdict;

pub use flags::{Flag, Severity};
pub use reasons::{Basis, Reason};
pub use score::Class;
pub use signs::Sign;

use crate::router::job_ads;

/// The shortest text that is checked, in characters.
pub const CHARS_MIN: usize = 10;
/// The longest text that is read whole, in characters; of a longer one beginning and end are read.
pub const CHARS_MAX: usize = 10_000;
/// Of a longer text so many characters are read at its beginning,
const HEAD_CHARS: usize = 8_000;
/// and so many at its end.
const TAIL_CHARS: usize = 2_000;
/// A text with this score of the router's cues is a job ad, flags or not.
const AD_SCORE_MIN: u32 = 2;

/// What a check came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// Fewer than [`CHARS_MIN`] characters.
    TooShort,
    /// Nothing in it is of a job ad, nor of a scam.
    NotAnAd,
    /// Judged.
    Judged(Box<Verdict>),
}

/// A verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// 0-100.
    pub score: u8,
    /// By the score's band.
    pub class: Class,
    /// 0-100.
    pub confidence_pct: u8,
    /// Why.
    pub reasons: [Reason; 3],
    /// Every red flag found.
    pub flags: Vec<Flag>,
    /// Every good sign found.
    pub signs: Vec<Sign>,
    /// How many characters in the middle were not read.
    pub unread_chars: usize,
}

/// Judges `ad`.
pub fn judge(ad: &str) -> Judgement {
    let ad = ad.trim();
    let chars = ad.chars().count();
    if chars < CHARS_MIN {
        return Judgement::TooShort;
    }
    let (read, unread_chars) = read(ad, chars);
    let findings = detect::look(&read);
    let serious = findings.flags.keys().any(|&flag| flag != Flag::Vague && flag.severity() > Severity::Mild);
    if !serious && findings.signs.len() < 2 && job_ads::score(&read) < AD_SCORE_MIN {
        return Judgement::NotAnAd;
    }
    let score::Score { score, confidence_pct } = score::score(&findings);
    let class = Class::of(score);
    Judgement::Judged(Box::new(Verdict {
        score,
        class,
        confidence_pct: if unread_chars > 0 { confidence_pct.saturating_sub(5) } else { confidence_pct },
        reasons: reasons::reasons(&read, &findings, class),
        flags: findings.flags.keys().copied().collect(),
        signs: findings.signs.keys().copied().collect(),
        unread_chars,
    }))
}

/// What of the ad is read: all, or its beginning and end with a blank line between, which no match crosses.
fn read(ad: &str, chars: usize) -> (String, usize) {
    if chars <= CHARS_MAX {
        return (ad.to_owned(), 0);
    }
    let head: String = ad.chars().take(HEAD_CHARS).collect();
    let tail: String = ad.chars().skip(chars - TAIL_CHARS).collect();
    (format!("{head}\n\n{tail}"), chars - HEAD_CHARS - TAIL_CHARS)
}

#[cfg(test)]
mod tests;
