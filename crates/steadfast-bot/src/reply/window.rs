//! The 24-hour window: WhatsApp takes free text only within a day of the person's last message.

/// How long it stays open, in milliseconds.
pub const WINDOW_MS: i64 = 24 * 3_600_000;

/// Whether free text may go out at `now_ms` to somebody who last wrote at `last_inbound_ms`. Somebody who
/// never wrote never opened it.
pub fn is_open(last_inbound_ms: Option<i64>, now_ms: i64) -> bool {
    last_inbound_ms.is_some_and(|last| now_ms.saturating_sub(last) < WINDOW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_closes_a_day_after_the_last_message() {
        assert!(!is_open(None, 0));
        assert!(is_open(Some(5), 5));
        assert!(is_open(Some(0), WINDOW_MS - 1));
        assert!(!is_open(Some(0), WINDOW_MS));
        assert!(is_open(Some(1_000), 0), "a clock behind the gateway's closes nothing");
        assert!(!is_open(Some(i64::MIN), i64::MAX));
    }
}
