//! The configuration: an operator's mistakes, not an attacker's; but a panic at the start explains nothing.

use crate::input::lossy;
use std::collections::BTreeMap;
use steadfast::check_configuration;

/// Three parts with a line `---` between: the file, the environment as `NAME=value` lines, the flags as
/// `key=value` lines. It is taken, or every problem is said in words; twice the same.
pub fn config(data: &[u8]) {
    let text = lossy(data);
    // Settings that name a file would read this machine's.
    if text.to_ascii_lowercase().contains("_file") {
        return;
    }
    let mut parts = text.splitn(3, "---\n");
    let file = parts.next().unwrap_or_default();
    let env: BTreeMap<String, String> = pairs(parts.next().unwrap_or_default()).collect();
    let flags: Vec<(String, String)> = pairs(parts.next().unwrap_or_default()).collect();
    let first = check_configuration(file, env.clone(), flags.clone());
    if let Err(problems) = &first {
        assert!(!problems.is_empty(), "refused without a reason");
        assert!(problems.iter().all(|problem| problem.len() > 3 && problem.contains(": ")), "{problems:#?}");
    }
    assert_eq!(first, check_configuration(file, env, flags), "another verdict the second time");
}

fn pairs(lines: &str) -> impl Iterator<Item = (String, String)> {
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    lines.lines().filter_map(pair)
}
