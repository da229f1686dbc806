//! Reads a configuration from any format that serde knows and that says what its values are (TOML, JSON, YAML).

use super::Config;
use super::overlay::Overlay;
use super::problem::{Problem, Problems};
use super::raw::Raw;
use serde::de::{Deserialize, Deserializer, Error as _};

impl<'de> Deserialize<'de> for Config {
    /// Every shape problem at once, in one error. Ranges and combinations are [`Config::validate`]'s.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut config = Self::default();
        overlay(&mut config, Raw::deserialize(deserializer)?).map_err(D::Error::custom)?;
        Ok(config)
    }
}

/// The URLs first, so that settings are laid over what they say.
fn overlay(config: &mut Config, raw: Raw) -> Result<(), Problems> {
    let mut overlay = Overlay::over(config);
    let Raw::Map(_) = raw else {
        return Err(
            Problem::new("the configuration", "no table of settings", "write key and value pairs").into()
        );
    };
    let (mut urls, mut replicas, mut sentinels, mut others) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    raw.leaves("", &mut |name, raw| match name.as_str() {
        "url" | "primary_url" | "primaryUrl" => urls.push((name, raw)),
        "replica_urls" | "replicaUrls" => replicas.push((name, raw)),
        "sentinel_urls" | "sentinelUrls" => sentinels.push((name, raw)),
        _ => others.push((name, raw)),
    });
    if let [_, (name, _), ..] = urls.as_slice() {
        let what = format!("said twice, the second time as `{name}`");
        overlay.push(Problem::new("url", what, "keep one of the two"), None);
    }
    for (name, raw) in &urls {
        match raw {
            Raw::Text(text) => overlay.url(text, name, None),
            _ => overlay.push(Problem::new(name, "no text", "write redis://host:6379 in quotes"), None),
        }
    }
    let sentinels = lists(sentinels, &mut overlay);
    let replicas = lists(replicas, &mut overlay);
    if sentinels.is_empty() {
        overlay.replicas(&replicas, None);
    } else {
        overlay.sentinels(&sentinels, None);
    }
    for (name, raw) in &others {
        overlay.set(name, raw, None);
    }
    overlay.problems.or(())
}

fn lists(entries: Vec<(String, Raw)>, overlay: &mut Overlay<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for (name, raw) in entries {
        let Raw::List(list) = raw else {
            overlay.push(Problem::new(name, "no list", "write a list of URLs, each in quotes"), None);
            continue;
        };
        for raw in list {
            match raw {
                Raw::Text(text) => texts.push(text.as_str().to_owned()),
                _ => {
                    overlay.push(Problem::new(&name, "an entry is no text", "write each URL in quotes"), None)
                }
            }
        }
    }
    texts
}
