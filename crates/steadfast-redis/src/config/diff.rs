//! What differs between two configurations, and what it takes to change over: for reloading without a restart.

use super::setting::Apply;
use super::{Config, settings};
use std::fmt;

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// The setting, or `hosts`, `provider` or `resolver`.
    pub path: &'static str,
    /// What it was; a secret as `***`.
    pub old: String,
    /// What it is; a secret as `***`.
    pub new: String,
    /// When it acts.
    pub apply: Apply,
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    settings: Vec<Changed>,
}

impl Change {
    /// Everything that differs, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &Changed> {
        self.settings.iter()
    }

    /// What acts in this way.
    pub fn that(&self, apply: Apply) -> impl Iterator<Item = &Changed> {
        self.settings.iter().filter(move |changed| changed.apply == apply)
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// Whether open connections must log in anew. Moot when they are replaced.
    pub fn reauthenticates(&self) -> bool {
        self.that(Apply::Reauthenticate).next().is_some()
    }

    /// Whether connections must be replaced, one by one.
    pub fn reconnects(&self) -> bool {
        self.that(Apply::Reconnect).next().is_some()
    }

    /// Whether only a new client has all of it. What else differs can act at once.
    pub fn needs_restart(&self) -> bool {
        self.that(Apply::Restart).next().is_some()
    }
}

/// One line for each difference.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, changed) in self.settings.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            let when = match changed.apply {
                Apply::Live => "acts at once",
                Apply::Reauthenticate => "open connections log in anew",
                Apply::Reconnect => "connections are replaced one by one",
                Apply::Restart => "needs a restart",
            };
            write!(f, "{end}{}: {} -> {} ({when})", changed.path, changed.old, changed.new)?;
        }
        Ok(())
    }
}

/// What differs between `old` and `new`.
pub fn diff(old: &Config, new: &Config) -> Change {
    let mut change = Change::default();
    if old.hosts != new.hosts {
        change.settings.push(Changed {
            path: "hosts",
            old: old.hosts.to_string(),
            new: new.hosts.to_string(),
            apply: Apply::Reconnect,
        });
    }
    if old.provider != new.provider {
        let shown = |config: &Config| config.provider.as_ref().map_or("-", |_| "set in code").to_owned();
        change.settings.push(Changed {
            path: "provider",
            old: shown(old),
            new: shown(new),
            apply: Apply::Reauthenticate,
        });
    }
    if old.resolver != new.resolver {
        let shown = |config: &Config| config.resolver.as_ref().map_or("system", |_| "set in code").to_owned();
        let (old, new) = (shown(old), shown(new));
        change.settings.push(Changed { path: "resolver", old, new, apply: Apply::Live });
    }
    for setting in settings() {
        if (setting.get)(old).write() != (setting.get)(new).write() {
            change.settings.push(Changed {
                path: setting.path,
                old: setting.shown(old),
                new: setting.shown(new),
                apply: setting.apply,
            });
        }
    }
    change
}
