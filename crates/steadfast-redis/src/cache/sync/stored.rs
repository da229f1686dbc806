//! What the scripts have stored, read by plain commands.

use crate::cache::version::Version;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// What a key holds was not stored by our scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key holds something that was not stored by this cache; give the cache a prefix of its own")]
pub struct StoredError;

/// What `GET` of a value's key gives: the value and its version.
pub fn stored_value(reply: &Bytes) -> Result<(Version, Bytes), StoredError> {
    let rest = reply.strip_prefix(b"sf1:").ok_or(StoredError)?;
    let (version, rest) = read_version(rest)?;
    let value = rest.strip_prefix(b":").ok_or(StoredError)?;
    Ok((version, reply.slice_ref(value)))
}

/// What `HGET n` of a counter's key gives.
pub fn counter_sum(reply: &[u8]) -> Result<i64, StoredError> {
    std::str::from_utf8(reply).ok().and_then(|sum| sum.parse().ok()).ok_or(StoredError)
}

/// The versions of one field, which nobody has replaced. The greatest is what readers see; all of them are what a
/// writer knew, and hands back as observed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FieldVersions(BTreeMap<Version, Bytes>);

/// Shows no value.
impl fmt::Debug for FieldVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.versions()).finish()
    }
}

impl FieldVersions {
    /// What becomes of it when an operation of this version is done that replaces `observed`: as the script does.
    pub(crate) fn change(&mut self, version: Version, value: Option<&Bytes>, observed: &[Version]) {
        let is_known = |of: Version| {
            if of.node() == version.node() {
                return of <= version;
            }
            observed.iter().any(|seen| seen.node() == of.node() && *seen >= of)
        };
        self.0.retain(|of, _| !is_known(*of));
        let is_outdated = self.0.keys().any(|of| of.node() == version.node());
        if let (Some(value), false) = (value, is_outdated) {
            self.0.insert(version, value.clone());
        }
    }

    /// Its values and versions, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.values().map(|value| value.len() + size_of::<Version>()).sum()
    }

    /// The field's value.
    pub fn value(&self) -> Option<&Bytes> {
        self.0.last_key_value().map(|(_, value)| value)
    }

    /// All its versions.
    pub fn versions(&self) -> impl Iterator<Item = Version> + '_ {
        self.0.keys().copied()
    }
}

/// What `HGETALL` of a set's or hash's key gives, pair by pair: each field's versions.
pub fn field_versions(
    reply: impl IntoIterator<Item = (Bytes, Bytes)>,
) -> Result<BTreeMap<Bytes, FieldVersions>, StoredError> {
    let mut fields = BTreeMap::new();
    for (name, blob) in reply {
        if &name[..] == b"s" {
            continue;
        }
        let field = name.strip_prefix(b"f:").ok_or(StoredError)?;
        let mut versions = FieldVersions::default();
        let mut rest = &blob[..];
        while !rest.is_empty() {
            let (version, after) = read_version(rest)?;
            let (digits, after) = after.split_at_checked(8).ok_or(StoredError)?;
            let digits = std::str::from_utf8(digits).map_err(|_| StoredError)?;
            let len = usize::from_str_radix(digits, 16).map_err(|_| StoredError)?;
            let (value, after) = after.split_at_checked(len).ok_or(StoredError)?;
            versions.0.insert(version, blob.slice_ref(value));
            rest = after;
        }
        fields.insert(name.slice_ref(field), versions);
    }
    Ok(fields)
}

fn read_version(text: &[u8]) -> Result<(Version, &[u8]), StoredError> {
    let (digits, rest) = text.split_at_checked(Version::DIGITS).ok_or(StoredError)?;
    let version = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    Ok((version.ok_or(StoredError)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VERSION: &str = "00000000000500000000000000000001";

    #[test]
    fn what_is_stored_is_read() {
        let (version, value) = stored_value(&Bytes::from(format!("sf1:{VERSION}:a:b"))).unwrap();
        assert_eq!((version.to_string().as_str(), &value[..]), (VERSION, b"a:b".as_slice()));
        assert_eq!(counter_sum(b"-7"), Ok(-7));
        let other = VERSION.replace('5', "6");
        let blob = format!("{other}00000002xy{VERSION}00000000");
        let pairs = [("s", "..."), ("f:name", blob.as_str())]
            .map(|(k, v)| (k.to_owned().into(), v.to_owned().into()));
        let fields = field_versions(pairs).unwrap();
        let versions = &fields[&b"name"[..]];
        assert_eq!(versions.value().unwrap(), "xy");
        assert_eq!(versions.versions().count(), 2);
    }

    #[test]
    fn what_others_stored_is_refused() {
        for text in [
            "",
            "plain",
            "sf1:",
            "sf1:00000000000500000000000000000001",
            "sf2:00000000000500000000000000000001:",
        ] {
            assert_eq!(stored_value(&Bytes::from(text)), Err(StoredError), "{text}");
        }
        for (name, blob) in
            [("name", ""), ("f:x", "short"), ("f:x", "00000000000500000000000000000001000000ffxy")]
        {
            assert_eq!(field_versions([(name.into(), blob.into())]), Err(StoredError), "{name} {blob}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(name in "(f:)?[a-f0-9]{0,4}", blob in "(0000000000)?[0-9a-f:]{0,60}") {
            let _ = stored_value(&Bytes::from(blob.clone()));
            let _ = counter_sum(blob.as_bytes());
            let _ = field_versions([(Bytes::from(name), Bytes::from(blob))]);
        }
    }
}
