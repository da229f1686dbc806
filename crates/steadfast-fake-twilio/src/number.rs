//! What Twilio takes for an address.

/// Why an address cannot be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// No number and no user id.
    Form,
    /// Another channel than the sender's.
    Channel,
}

/// Checks `to` against the channel of `sender`: `whatsapp:+9779800000000` or a user without a number,
/// `whatsapp:NP.1A2B`.
pub(crate) fn check(to: &str, sender: &str) -> Result<(), Invalid> {
    let (to_channel, identity) = split(to);
    if to_channel != split(sender).0 {
        return Err(Invalid::Channel);
    }
    let valid = is_e164(identity) || (to_channel == "whatsapp" && is_user_id(identity));
    if valid { Ok(()) } else { Err(Invalid::Form) }
}

/// Channel and identity: (`whatsapp`, `+977…`), or (`sms`, …) where no channel is named.
pub(crate) fn split(address: &str) -> (&str, &str) {
    address.split_once(':').unwrap_or(("sms", address))
}

/// The digits of a phone number, for `WaId`; `None` for a user without one.
pub(crate) fn wa_id(address: &str) -> Option<&str> {
    let identity = split(address).1;
    is_e164(identity).then(|| identity.trim_start_matches('+'))
}

/// Numbers that begin like this belong to nobody: Twilio's own magic test numbers do. An ordinary number
/// never meets a script, whatever its digits.
pub(crate) const SCRIPTED: &str = "+1500555";

/// The last four digits of a scripted number, by which its script is chosen.
pub(crate) fn script_digits(address: &str) -> Option<&str> {
    split(address).1.strip_prefix(SCRIPTED).filter(|digits| digits.len() == 4)
}

fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

fn is_user_id(text: &str) -> bool {
    text.split_once('.').is_some_and(|(country, id)| {
        country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENDER: &str = "whatsapp:+14155238886";

    #[test]
    fn numbers_and_users_without_one() {
        assert_eq!(check("whatsapp:+9779800000001", SENDER), Ok(()));
        assert_eq!(check("whatsapp:NP.1A2B3C4D", SENDER), Ok(()));
        assert_eq!(check("whatsapp:5551234567", SENDER), Err(Invalid::Form));
        assert_eq!(check("whatsapp:+0123456789", SENDER), Err(Invalid::Form));
        assert_eq!(check("+9779800000001", SENDER), Err(Invalid::Channel));
        assert_eq!(wa_id("whatsapp:+9779800000001"), Some("9779800000001"));
        assert_eq!(wa_id("whatsapp:NP.1A2B"), None);
        assert_eq!(script_digits("whatsapp:+15005550429"), Some("0429"));
        assert_eq!(script_digits("whatsapp:+9779800000429"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,60}") {
            let _ = check(&text, SENDER);
            prop_assert_eq!(script_digits(&text), None);
        }
    }
}
