//! Gathers the raw values: defaults, then the file, then the environment, then flags. What is stronger
//! replaces what is weaker, and every value remembers where it came from.

use super::settings::{SETTINGS, env_name, find};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most bytes of a file that holds a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Env(String),
    Flag,
    /// Read from the file that a `…_file` setting names.
    SecretFile(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("command line"),
            Self::SecretFile(path) => write!(f, "secret file {}", path.display()),
        }
    }
}

/// A value as found.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Something wrong with the configuration: what, where from, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) key: String,
    pub(crate) origin: Option<Origin>,
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)?;
        match &self.origin {
            Some(origin) => write!(f, " (from {origin})"),
            None => Ok(()),
        }
    }
}

/// What there is to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The configuration file's path and text.
    pub(crate) file: Option<(PathBuf, String)>,
    /// The environment.
    pub(crate) env: BTreeMap<String, String>,
    /// `key=value` from the command line.
    pub(crate) flags: Vec<(String, String)>,
}

/// The raw values by key.
pub(crate) type Values = BTreeMap<&'static str, Raw>;

/// Gathers all values. Unknown keys and unreadable files are problems; what could be read is returned
/// all the same, so that every problem can be reported at once.
pub(crate) fn gather(sources: &Sources) -> (Values, Vec<Problem>) {
    let mut values: Values = SETTINGS
        .iter()
        .map(|setting| (setting.key, Raw { text: setting.default.to_owned(), origin: Origin::Default }))
        .collect();
    let mut problems = Vec::new();
    if let Some((path, text)) = &sources.file {
        from_file(path, text, &mut values, &mut problems);
    }
    from_env(&sources.env, &mut values, &mut problems);
    for (key, text) in &sources.flags {
        set(key, text, &Origin::Flag, &mut values, &mut problems);
    }
    (values, problems)
}

fn set(key: &str, text: &str, origin: &Origin, values: &mut Values, problems: &mut Vec<Problem>) {
    let problem = |what: String| Problem { key: key.to_owned(), origin: Some(origin.clone()), what };
    if let Some(setting) = find(key) {
        values.insert(setting.key, Raw { text: text.to_owned(), origin: origin.clone() });
        return;
    }
    // A secret may be named by file: `twilio.auth_token_file`.
    let secret = key.strip_suffix("_file").and_then(find).filter(|setting| setting.secret);
    let Some(setting) = secret else {
        problems.push(problem(match nearest(key) {
            Some(near) => format!("there is no such setting; did you mean {near}?"),
            None => "there is no such setting; `steadfast config show` lists all".to_owned(),
        }));
        return;
    };
    match read_secret(Path::new(text)) {
        Ok(content) => {
            let raw = Raw { text: content.trim_end().to_owned(), origin: Origin::SecretFile(text.into()) };
            values.insert(setting.key, raw);
        }
        Err(error) => problems.push(problem(format!("cannot read the secret from {text}: {error}"))),
    }
}

/// A file that holds a secret. Longer ones are something else, and a device would never end.
fn read_secret(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {SECRET_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// What is wrong with the file. The parser's full words show the line, which may hold a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.as_bytes().get(..span.start)).unwrap_or_default();
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    format!("is not valid TOML in line {line}: {}", error.message())
}

fn from_file(path: &Path, text: &str, values: &mut Values, problems: &mut Vec<Problem>) {
    let origin = Origin::File(path.to_owned());
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let what = not_toml(text, &error);
            problems.push(Problem { key: path.display().to_string(), origin: None, what });
            return;
        }
    };
    for (section, entry) in table {
        let toml::Value::Table(entries) = entry else {
            let what = "must stand in a section such as [gateway]".to_owned();
            problems.push(Problem { key: section, origin: Some(origin.clone()), what });
            continue;
        };
        for (name, value) in flat(entries) {
            let key = format!("{section}.{name}");
            match plain(&value) {
                Some(text) => set(&key, &text, &origin, values, problems),
                None => {
                    let what = "must be a text, a number, true or false, or a list of these".to_owned();
                    problems.push(Problem { key, origin: Some(origin.clone()), what });
                }
            }
        }
    }
}

/// The entries of a section, those of the sections within it under `name.entry`.
fn flat(entries: toml::Table) -> Vec<(String, toml::Value)> {
    let flatten = |(name, value): (String, toml::Value)| match value {
        toml::Value::Table(inner) => {
            inner.into_iter().map(|(entry, value)| (format!("{name}.{entry}"), value)).collect()
        }
        value => vec![(name, value)],
    };
    entries.into_iter().flat_map(flatten).collect()
}

/// A TOML value as the text that the environment would carry.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(plain).collect();
            items.map(|items| items.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

fn from_env(env: &BTreeMap<String, String>, values: &mut Values, problems: &mut Vec<Problem>) {
    for setting in SETTINGS {
        let own = env_name(setting.key);
        // The own name is the strongest, then the aliases from left to right. An empty variable counts as
        // not set, as shells and compose files leave them.
        let names = std::iter::once(own.as_str()).chain(setting.env.iter().copied());
        let found =
            names.filter_map(|name| Some((name, env.get(name).filter(|text| !text.is_empty())?))).next();
        if let Some((name, text)) = found {
            values.insert(setting.key, Raw { text: text.clone(), origin: Origin::Env(name.to_owned()) });
        } else if setting.secret {
            let named = std::iter::once(own).chain(setting.env.iter().map(|name| (*name).to_owned()));
            for name in named.map(|name| format!("{name}_FILE")) {
                if let Some(path) = env.get(&name).filter(|text| !text.is_empty()) {
                    set(&format!("{}_file", setting.key), path, &Origin::Env(name), values, problems);
                    break;
                }
            }
        }
    }
    for name in env.keys().filter(|name| name.starts_with("STEADFAST_") && name.contains("__")) {
        let known = |setting: &super::settings::Setting| {
            let own = env_name(setting.key);
            *name == own || (setting.secret && *name == format!("{own}_FILE"))
        };
        if !SETTINGS.iter().any(known) {
            let what = "there is no such setting; `steadfast config show` lists all".to_owned();
            problems.push(Problem { key: name.clone(), origin: Some(Origin::Env(name.clone())), what });
        }
    }
}

/// The known key with the fewest differing letters, if close enough to be meant.
fn nearest(key: &str) -> Option<&'static str> {
    let (distance, near) =
        SETTINGS.iter().map(|setting| (edit_distance(key, setting.key), setting.key)).min()?;
    (distance <= 3).then_some(near)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(128).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sources(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
        let own = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        Sources {
            file: Some((PathBuf::from("steadfast.toml"), file.to_owned())),
            env: own(env).into_iter().collect(),
            flags: own(flags),
        }
    }

    #[test]
    fn the_stronger_source_wins_and_is_remembered() {
        let file = "[gateway]\nport = 1\n[workers]\norders = 7\n";
        let env = [("PORT", "2"), ("STEADFAST_GATEWAY__PORT", "3"), ("ORDER_WORKERS", "")];
        let (values, problems) = gather(&sources(file, &env, &[("workers.replies", "9")]));
        assert_eq!(problems, []);
        assert_eq!(values["gateway.port"].text, "3");
        assert_eq!(values["gateway.port"].origin, Origin::Env("STEADFAST_GATEWAY__PORT".to_owned()));
        assert_eq!(values["workers.orders"].text, "7");
        assert_eq!(values["workers.replies"].origin, Origin::Flag);
        assert_eq!(values["workers.webhooks"].origin, Origin::Default);
    }

    #[test]
    fn the_forcing_alias_is_stronger_than_the_other() {
        let env = [("FORCE_TWILIO_VERIFY", "true"), ("WEBHOOK_SIGNATURE_VERIFICATION", "false")];
        let (values, _) = gather(&sources("", &env, &[]));
        assert_eq!(values["gateway.signature"].text, "true");
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let file = "loose = 1\n[gatway]\nport = 1\n[twilio]\nauth_token_file = \"/nonexistent/token\"\n";
        let (_, problems) = gather(&sources(file, &[("STEADFAST_NO__SUCH", "1")], &[("log.levle", "info")]));
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 5, "{said:#?}");
        assert!(said.iter().any(|line| line.contains("did you mean gateway.port?")), "{said:#?}");
        assert!(said.iter().any(|line| line.contains("did you mean log.level?")), "{said:#?}");
    }

    #[test]
    fn a_broken_file_is_explained_without_the_secret_on_its_line() {
        for file in [
            "[twilio]\nauth_token = \"hush-hush-0123456789\n",
            "[twilio]\nauth_token = hush-hush-0123456789\n",
            "[twilio]\nauth_token = \"hush-hush-0123456789\" x\n",
        ] {
            let (_, problems) = gather(&sources(file, &[], &[]));
            let said = problems[0].to_string();
            assert!(said.contains("is not valid TOML in line 2: "), "{said}");
            assert!(!said.contains("hush"), "{said}");
        }
    }

    #[test]
    fn a_secret_file_that_never_ends_is_not_read_to_its_end() {
        let (values, problems) = gather(&sources("", &[("TWILIO_AUTH_TOKEN_FILE", "/dev/zero")], &[]));
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].to_string().contains("more than 65536 bytes"), "{}", problems[0]);
        assert_eq!(values["twilio.auth_token"].text, "");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_loader_panic(file in ".{0,200}", key in ".{0,40}", value in ".{0,40}") {
            gather(&sources(&file, &[(&key, &value)], &[(&key, &value)]));
        }
    }
}
