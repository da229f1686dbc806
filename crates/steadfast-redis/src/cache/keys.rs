//! Keys that belong together lie in the same slot of a cluster.

use bytes::Bytes;

/// The key beside `key` that remembers its latest version when there is no value: `~` and the key, behind a hash
/// tag that puts both into one slot. None: there is no such tag, because `key` has a `}` outside a tag of its own.
pub fn floor_key(key: &[u8]) -> Option<Bytes> {
    let mut floor = Vec::with_capacity(2 * key.len() + 3);
    floor.push(b'{');
    match tag(key) {
        Some(tag) => floor.extend_from_slice(tag),
        None if key.is_empty() || key.contains(&b'}') => return None,
        None => floor.extend_from_slice(key),
    }
    floor.extend_from_slice(b"}~");
    floor.extend_from_slice(key);
    Some(floor.into())
}

/// What a cluster hashes in place of the whole key: what stands between the first `{` and the next `}`, if
/// anything does.
fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let rest = &key[open + 1..];
    let close = rest.iter().position(|&byte| byte == b'}')?;
    (close > 0).then(|| &rest[..close])
}

/// The key of a named thing under a prefix: `prefix{name}`. Different names have different keys, and each has a
/// floor key.
pub fn prefixed(prefix: &str, name: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(prefix.len() + name.len() + 3);
    key.extend_from_slice(prefix.as_bytes());
    key.push(b'{');
    // An empty tag would be none.
    if name.is_empty() || name.starts_with(b"}") || name.starts_with(b"_") {
        key.push(b'_');
    }
    key.extend_from_slice(name);
    key.push(b'}');
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a cluster hashes.
    fn hashed(key: &[u8]) -> &[u8] {
        tag(key).unwrap_or(key)
    }

    #[test]
    fn floors_are_found_or_refused() {
        assert_eq!(floor_key(b"user:1").unwrap(), "{user:1}~user:1");
        assert_eq!(floor_key(b"a{b}c").unwrap(), "{b}~a{b}c");
        for none in ["", "a}b", "{}x"] {
            assert_eq!(floor_key(none.as_bytes()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_floor_shares_its_keys_slot(key in "[a{}~]{0,8}") {
            if let Some(floor) = floor_key(key.as_bytes()) {
                prop_assert_eq!(hashed(&floor), hashed(key.as_bytes()));
            }
        }

        #[test]
        fn names_under_a_prefix_stay_apart_and_have_floors(a in "[a{}_]{0,6}", b in "[a{}_]{0,6}") {
            let (one, other) = (prefixed("p:", a.as_bytes()), prefixed("p:", b.as_bytes()));
            prop_assert_eq!(one == other, a == b);
            prop_assert!(floor_key(&one).is_some());
        }
    }
}
