//! The names of segments say all that must be known about them before they are read.

use std::fmt;

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Goes on from those before it.
    Log,
    /// Begins anew: those before it count no more.
    Base,
    /// Will be a base when it is whole.
    Temporary,
}

const ROLES: [(Role, &str); 3] = [(Role::Log, "log"), (Role::Base, "base"), (Role::Temporary, "tmp")];

/// `number-salt.role`, in hexadecimal digits; the version of the format is the `1` in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Its place in the row.
    pub(crate) number: u64,
    /// What its checksums are over, besides.
    pub(crate) salt: u32,
    /// What it is.
    pub(crate) role: Role,
}

impl Name {
    /// Reads a name. None: a file that is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, rest) = text.strip_prefix("1-")?.split_once('-')?;
        let (salt, role) = rest.split_once('.')?;
        let (role, _) = ROLES.into_iter().find(|(_, word)| *word == role)?;
        let name = Self {
            number: u64::from_str_radix(number, 16).ok()?,
            salt: u32::from_str_radix(salt, 16).ok()?,
            role,
        };
        (name.to_string() == text).then_some(name)
    }
}

/// Whether a file is a segment in a format that is not ours: of a later version of this crate.
pub(crate) fn is_of_another_version(text: &str) -> bool {
    let version = text.split_once('-').map(|(version, _)| version);
    let numbered = version.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    numbered
        && Name::parse(text).is_none()
        && ROLES.iter().any(|(_, word)| text.ends_with(&format!(".{word}")))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = ROLES.iter().find(|(role, _)| *role == self.role).map_or("", |(_, word)| *word);
        write!(f, "1-{:016x}-{:08x}.{word}", self.number, self.salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_written_and_others_are_not_ours() {
        for role in [Role::Log, Role::Base, Role::Temporary] {
            let name = Name { number: 0x1f, salt: 0xabc, role };
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        for other in
            ["lock", "1-000000000000001f-00000abc.txt", "1-1f-abc.log", "2-000000000000001f-00000abc.log"]
        {
            assert_eq!(Name::parse(other), None, "{other}");
        }
        assert!(is_of_another_version("2-000000000000001f-00000abc.log"));
        assert!(!is_of_another_version("notes-of-mine.log"));
    }
}
