//! `cargo xtask layers`: the laws of the house that a machine can check.
//!
//! Which crate may import which of ours; which foreign crates a crate may not name at all; that no file
//! grows beyond its bound.

use crate::locks;
use crate::run::read;
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What each crate may import of ours, in normal dependencies. A crate that is not here may not exist.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("steadfast-clock", &[]),
    ("steadfast-core", &["steadfast-clock"]),
    ("steadfast-redis", &["steadfast-clock"]),
    ("steadfast-queue", &["steadfast-clock"]),
    ("steadfast-records", &["steadfast-clock", "steadfast-core"]),
    ("steadfast-gateway", &["steadfast-clock", "steadfast-core", "steadfast-queue"]),
    ("steadfast-bot", &["steadfast-clock", "steadfast-core", "steadfast-queue"]),
    ("steadfast-monitor", &["steadfast-clock", "steadfast-core", "steadfast-queue"]),
    ("steadfast-fake-twilio", &["steadfast-clock", "steadfast-gateway"]),
    ("steadfast-testkit", &[]),
    ("steadfast-faults", &["steadfast-clock", "steadfast-redis", "steadfast-testkit"]),
    (
        "steadfast-fuzz",
        &[
            "steadfast",
            "steadfast-bot",
            "steadfast-clock",
            "steadfast-core",
            "steadfast-fake-twilio",
            "steadfast-gateway",
            "steadfast-queue",
        ],
    ),
    (
        "steadfast",
        &[
            "steadfast-bot",
            "steadfast-clock",
            "steadfast-core",
            "steadfast-fake-twilio",
            "steadfast-gateway",
            "steadfast-monitor",
            "steadfast-queue",
            "steadfast-records",
        ],
    ),
    ("xtask", &[]),
];

/// Foreign crates that a crate may not name, and why.
const MAY_NOT_NAME: &[(&str, &[&str], &str)] = &[
    ("steadfast-core", &["tokio", "rusqlite", "reqwest", "hyper"], "core does no I/O"),
    ("steadfast-gateway", &["rusqlite", "redis", "reqwest"], "the gateway knows no store and calls nobody"),
    ("steadfast-bot", &["rusqlite", "redis"], "the bot knows no store"),
    ("steadfast-monitor", &["rusqlite", "redis"], "the monitor knows no store"),
];

/// `anyhow` is for the binary and for development.
const ANYHOW_USERS: &[&str] = &["steadfast", "steadfast-faults", "steadfast-testkit", "xtask"];

/// The most lines of a source file, tests apart.
const LINES_MAX: usize = 600;

/// Checks everything and reports all breaches at once.
pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = read("cargo", &["metadata", "--format-version=1", "--no-deps", "--locked"])?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata printed no JSON")?;
    let mut breaches = Vec::new();
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    for package in packages {
        check_package(package, &mut breaches);
    }
    locks::check(packages, &mut breaches)?;
    let mut sizes = BTreeMap::new();
    for package in packages {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let Some(folder) = manifest.parent() else { continue };
        measure(&folder.join("src"), &mut sizes)?;
    }
    for (path, lines) in sizes.iter().filter(|(_, lines)| **lines > LINES_MAX) {
        breaches.push(format!("{path} has {lines} lines; {LINES_MAX} is the end"));
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the laws:\n  {}", breaches.len(), breaches.join("\n  "));
    }
    let mut lines: Vec<usize> = sizes.into_values().collect();
    lines.sort_unstable();
    let median = lines.get(lines.len() / 2).copied().unwrap_or(0);
    println!("layers: {} crates, {} files, median {median} lines: in order", packages.len(), lines.len());
    Ok(())
}

fn check_package(package: &Value, breaches: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == name) else {
        breaches.push(format!("{name} is not in the table of crates"));
        return;
    };
    let empty = Vec::new();
    for dependency in package["dependencies"].as_array().unwrap_or(&empty) {
        if !dependency["kind"].is_null() {
            continue;
        }
        let wanted = dependency["name"].as_str().unwrap_or_default();
        if wanted.starts_with("steadfast") && !allowed.contains(&wanted) {
            breaches.push(format!("{name} may not import {wanted}"));
        }
        for (crate_name, banned, why) in MAY_NOT_NAME {
            if *crate_name == name && banned.contains(&wanted) {
                breaches.push(format!("{name} may not name {wanted}: {why}"));
            }
        }
        if wanted == "anyhow" && !ANYHOW_USERS.contains(&name) {
            breaches.push(format!("{name} may not use anyhow: libraries have errors of their own"));
        }
    }
}

fn measure(folder: &Path, sizes: &mut BTreeMap<String, usize>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            measure(&path, sizes)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            // Tests stand at the end of a file and do not count.
            let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
            let is_tests = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "conformance");
            if !is_tests {
                sizes.insert(path.display().to_string(), code);
            }
        }
    }
    Ok(())
}
