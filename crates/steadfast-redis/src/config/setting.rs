//! One table of all settings: what a setting is called everywhere, its unit and range, and when a change acts.
//!
//! Reading files, variables and URLs, checking, comparing and printing all walk this table, so that a setting
//! that is in it is known to all of them.

use super::Config;
use super::value::Value;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Milliseconds. Texts may say `250ms`, `5s`, `2m`, `1h`, `1d`.
    Ms,
    /// Bytes. Texts may say `64KiB`, `64MiB`, `1GiB`.
    Bytes,
    /// Hundredths.
    Percent,
    /// Things.
    Count,
    /// No number.
    None,
}

impl Unit {
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Ms => "a whole number of milliseconds, or a text such as 250ms, 5s, 2m or 1h",
            Self::Bytes => "a whole number of bytes, or a text such as 64KiB, 64MiB or 1GiB",
            Self::Percent => "a whole number of percent",
            Self::Count | Self::None => "a whole number",
        }
    }

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Ms => " ms",
            Self::Bytes => " bytes",
            Self::Percent => " percent",
            Self::Count | Self::None => "",
        }
    }
}

/// When a changed setting acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Apply {
    /// From the next use on: no connection is touched.
    Live,
    /// Open connections authenticate anew, in place.
    Reauthenticate,
    /// Connections are replaced one by one.
    Reconnect,
    /// Only a new client has it.
    Restart,
}

/// What is to be known about one setting.
pub struct Setting {
    /// Its name, as `pool.lanes_min`: the field's path in [`Config`], the key in files, the option in URLs.
    pub path: &'static str,
    /// What it is, in words.
    pub doc: &'static str,
    /// What its number counts.
    pub unit: Unit,
    /// Its smallest and largest value, if it is a number.
    pub range: Option<(u64, u64)>,
    /// When a change acts.
    pub apply: Apply,
    /// Other names for it in files and URLs.
    pub also: &'static [&'static str],
    /// Other names for it in files and URLs, that count in seconds.
    pub also_seconds: &'static [&'static str],
    pub(crate) env_also: &'static [&'static str],
    pub(crate) get: fn(&Config) -> &dyn Value,
    pub(crate) get_mut: fn(&mut Config) -> &mut dyn Value,
}

impl Setting {
    /// Its environment variables, the first that is set wins: `REDIS_POOL_LANES_MIN`, then other common names.
    pub fn env(&self) -> impl Iterator<Item = String> + use<> {
        let own = format!("REDIS_{}", self.path.to_ascii_uppercase().replace('.', "_"));
        std::iter::once(own).chain(self.env_also.iter().map(|name| (*name).to_owned()))
    }

    /// Its value when nothing is said, as shown to people.
    pub fn default_shown(&self) -> String {
        (self.get)(&Config::default()).show()
    }

    /// Its value in `config`, as shown to people: a secret as `***`, what is not set as `-`.
    pub fn shown(&self, config: &Config) -> String {
        (self.get)(config).show()
    }

    pub(crate) fn allowed(&self) -> Option<String> {
        self.range.map(|(min, max)| format!("{min} to {max}{}", self.unit.suffix()))
    }
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting").field("path", &self.path).field("unit", &self.unit).finish_non_exhaustive()
    }
}

/// Declares one section: its struct, its defaults and its part of the table.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $name:ident at $at:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident : $ty:ty = $default:expr, $unit:ident $($min:literal to $max:literal)?, $apply:ident
                $(, also [$($also:literal),*])? $(, seconds [$($seconds:literal),*])? $(, env [$($env:literal),*])? ;
            )*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[doc = $doc])*
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.", $(" From ", $min, " to ", $max, ".",)?)]
                $(#[doc = concat!("\n\nAlso read as", $(" `", $also, "`",)* ".")])?
                $(#[doc = concat!("\n\nIn seconds also read as", $(" `", $seconds, "`",)* ".")])?
                pub $field: $ty,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            pub(crate) const SETTINGS: &'static [$crate::config::setting::Setting] = &[$(
                $crate::config::setting::Setting {
                    path: concat!(stringify!($at), ".", stringify!($field)),
                    doc: concat!($($doc),*),
                    unit: $crate::config::setting::Unit::$unit,
                    range: $crate::config::setting::section!(@range $($min $max)?),
                    apply: $crate::config::setting::Apply::$apply,
                    also: &[$($($also),*)?],
                    also_seconds: &[$($($seconds),*)?],
                    env_also: &[$($($env),*)?],
                    get: |config| &config.$at.$field,
                    get_mut: |config| &mut config.$at.$field,
                },
            )*];
        }
    };
    (@range) => { None };
    (@range $min:literal $max:literal) => { Some(($min, $max)) };
}
pub(crate) use section;
