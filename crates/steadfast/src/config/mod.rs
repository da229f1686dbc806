//! The configuration: gathered from file, environment and flags, checked as a whole.

mod check;
mod load;
mod queue_settings;
mod settings;
mod types;
mod values;

pub(crate) use load::{Problem, Sources, Values, gather};
pub(crate) use settings::{DEFAULT_DATA_DIR, SETTINGS, env_name};
pub(crate) use types::{Config, Encryption, LogFormat, NodeEnv, PublicBase, Twilio};

use check::check;
use std::path::{Path, PathBuf};

/// The file that is read when none is named and it exists.
pub(crate) const DEFAULT_FILE: &str = "steadfast.toml";

/// What the process was started with: the named file (or `steadfast.toml` if there is one), the
/// environment and `key=value` flags. A named file that cannot be read is a problem, a missing default
/// file is not.
pub(crate) fn sources(file: Option<&Path>, flags: Vec<(String, String)>) -> Result<Sources, Problem> {
    let path = file.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_owned);
    let file = match std::fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let what = format!("cannot be read: {error}");
            return Err(Problem { key: path.display().to_string(), origin: None, what });
        }
    };
    // Values that are no Unicode cannot be settings of ours.
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(Sources { file, env, flags })
}

/// Gathers and checks. All problems at once.
pub(crate) fn load(sources: &Sources) -> Result<Config, Vec<Problem>> {
    let (values, mut problems) = gather(sources);
    match check(&values) {
        Ok(config) if problems.is_empty() => Ok(config),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}
