//! The reply to a reality check.

use super::{Class, Verdict};
use std::fmt::Write as _;

/// The reply: score, class, findings, confidence, advice, and by what means it was found.
pub fn render(verdict: &Verdict) -> String {
    let (emoji, advice) = match verdict.class {
        Class::Legit => ("✅", "Still, look the employer up yourself, and never pay for a job."),
        Class::Suspicious => (
            "⚠️",
            "Be careful: look the employer up by yourself, and send neither money nor documents before you have.",
        ),
        Class::LikelyScam => {
            ("🚨", "Do not pay, send no documents or codes, and do not answer. Report and block the sender.")
        }
    };
    let mut text = format!("{emoji} *Job Analysis Result*\n\n*Trust score:* {}/100\n", verdict.score);
    let _ = writeln!(text, "*Classification:* {}\n\n*Key findings:*", verdict.class.as_str());
    for (index, reason) in verdict.reasons.iter().enumerate() {
        let _ = writeln!(text, "{}. {}", index + 1, reason.text);
    }
    let _ = write!(text, "\n*Confidence:* {}%\n\n💡 {advice}\n\n", verdict.confidence_pct);
    text.push_str(
        "This check went by fixed rules on the text alone; no person or AI model has looked at it.",
    );
    if verdict.unread_chars > 0 {
        let _ = write!(
            text,
            " The text was very long: I read its beginning and its end, and left out {} characters between.",
            verdict.unread_chars
        );
    }
    text
}
