//! The scripts that do operations atomically on the server.

/// One script, whole: to be loaded by its content hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Script {
    /// Its name, for people.
    pub name: &'static str,
    /// Its text.
    pub source: &'static str,
}

macro_rules! script {
    ($name:literal) => {
        Script {
            name: $name,
            source: concat!(
                include_str!("../scripts/common.lua"),
                include_str!(concat!("../scripts/", $name, ".lua"))
            ),
        }
    };
}

impl Script {
    /// Sets a value, unless the server knows a later version of it.
    pub const SET_VALUE: Self = script!("set_value");
    /// Deletes a value, unless the server knows a later version of it.
    pub const DELETE_VALUE: Self = script!("delete_value");
    /// Adds to a counter, once for each token.
    pub const ADD_COUNTER: Self = script!("add_counter");
    /// Remembers that a key was seen.
    pub const REMEMBER: Self = script!("remember");
    /// Puts and removes fields.
    pub const CHANGE_FIELDS: Self = script!("change_fields");
    /// All of them, to be loaded ahead.
    pub const ALL: [Self; 5] =
        [Self::SET_VALUE, Self::DELETE_VALUE, Self::ADD_COUNTER, Self::REMEMBER, Self::CHANGE_FIELDS];
}
