//! Twilio's answers, which are no more to be trusted than anything else from outside.

use crate::input::{lossy, number, text_line};
use steadfast_bot::reply::classify::{Answer, RETRY_AFTER_MS_MAX, classify_refusal, classify_send};
use steadfast_core::ports::SendOutcome;

/// Lines: the status; the `Retry-After` header; and the body. Only a 2xx with an id is an accepted message,
/// a 5xx is never a refusal, and no wait is longer than its bound.
pub fn answers(data: &[u8]) {
    let (status, rest) = text_line(data);
    let (retry_after, body) = text_line(rest);
    let http_status = u16::try_from(number(status.as_bytes()) % 1_000).unwrap_or_default();
    for retry_after in [None, Some(retry_after)] {
        for body in [None, Some(body)] {
            let answer = Answer { http_status, retry_after, body, now_ms: 1_700_000_000_000 };
            match classify_send(answer) {
                SendOutcome::Accepted { sid } => {
                    assert!((200..300).contains(&http_status));
                    assert!(lossy(body.unwrap_or_default()).contains("sid") || sid.as_str().len() == 34);
                }
                SendOutcome::Ambiguous { .. } => {
                    assert!((200..300).contains(&http_status) || http_status >= 500)
                }
                SendOutcome::Refused(_) => assert!(!(200..300).contains(&http_status)),
            }
            let refusal = classify_refusal(answer);
            assert!(refusal.retry_after_ms.is_none_or(|wait_ms| wait_ms <= RETRY_AFTER_MS_MAX));
            assert!(refusal.message.len() <= 200, "words of Twilio's in a message of ours");
        }
    }
}
