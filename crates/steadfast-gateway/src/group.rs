//! Group keys: what must be handled in order, without telling the queue whose it is.

use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use steadfast_core::Address;
use steadfast_core::message::{AccountSid, MessageSid};
use steadfast_queue::GroupKey;

/// The group of a conversation: a keyed hash of account, our address and theirs. All nodes must hold the
/// same secret, or messages of one conversation may overtake each other between them.
pub fn conversation_group(
    secret: &Secret,
    account: &AccountSid,
    ours: &Address,
    theirs: &Address,
) -> GroupKey {
    keyed(secret, &["conversation", account.as_str(), ours.as_str(), theirs.as_str()])
}

/// The group of the status callbacks of one outbound message.
pub fn message_group(secret: &Secret, sid: &MessageSid) -> GroupKey {
    keyed(secret, &["message", sid.as_str()])
}

fn keyed(secret: &Secret, parts: &[&str]) -> GroupKey {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    let digest = mac.finalize().into_bytes();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    GroupKey(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_every_part_and_on_the_secret() {
        let secret = Secret::new("s");
        let account = AccountSid::parse("AC00000000000000000000000000000000").expect("valid");
        let address = |text: &str| Address::parse(text).expect("valid");
        let (ours, theirs) = (address("whatsapp:+1"), address("whatsapp:+2"));
        let key = conversation_group(&secret, &account, &ours, &theirs);
        assert_eq!(key, conversation_group(&secret, &account, &ours, &theirs));
        assert_ne!(key, conversation_group(&secret, &account, &theirs, &ours));
        assert_ne!(key, conversation_group(&Secret::new("t"), &account, &ours, &theirs));
        // Where one part ends and the next begins counts too.
        assert_ne!(
            conversation_group(&secret, &account, &address("a"), &address("bc")),
            conversation_group(&secret, &account, &address("ab"), &address("c"))
        );
    }
}
