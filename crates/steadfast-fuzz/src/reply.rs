//! What the bot writes: verdicts on any text, split into messages.

use crate::input::{line, lossy, number};
use steadfast_bot::reality::verdict::render;
use steadfast_bot::reality::{Judgement, judge};
use steadfast_bot::reply::split::{Part, UNITS_MAX, parts};
use steadfast_gateway::form;

/// Lines: the longest part in units; and a text. It is split at that length and at WhatsApp's, and judged as
/// a job ad.
pub fn reply(data: &[u8]) {
    let (units_max, rest) = line(data);
    let text = lossy(rest);
    for units_max in [64 + number(units_max) % UNITS_MAX, UNITS_MAX] {
        split(text, units_max);
    }
    if let Judgement::Judged(verdict) = judge(text) {
        assert!(verdict.score <= 100 && verdict.confidence_pct <= 100);
        for reason in &verdict.reasons {
            assert!(reason.text.chars().count() <= 200, "a long reason");
            assert!(reason.basis.supports(verdict.class), "a reason against its verdict");
            assert!(reason.quote.as_ref().is_none_or(|quote| text.contains(quote)), "invented evidence");
        }
        split(&render(&verdict), UNITS_MAX);
    }
}

/// No part is too long, together they carry the whole text in order, and each survives being sent.
fn split(text: &str, units_max: usize) {
    let mut at = 0;
    let parts = parts(text, units_max);
    for Part { body, range } in &parts {
        assert!(body.encode_utf16().count() <= units_max, "too long");
        assert!(!body.trim().is_empty(), "an empty part");
        assert!(body.contains(&text[range.clone()]), "the part holds its stretch");
        assert!(text[at..range.start].trim().is_empty(), "lost between two parts");
        at = range.end;
        let sent = [("Body".to_owned(), body.clone())];
        assert_eq!(form::parse(form::encode(&sent).as_bytes(), 1).as_deref(), Ok(&sent[..]));
    }
    assert!(text[at..].trim().is_empty(), "lost at the end");
    assert_eq!(parts.is_empty(), text.trim().is_empty());
}
