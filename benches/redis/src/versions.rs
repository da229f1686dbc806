//! Which versions stand beside each other: those of the lock file this was built with.

use anyhow::Context;

const LOCK: &str = include_str!("../Cargo.lock");
const NAMED: [&str; 5] = ["redis", "fred", "deadpool-redis", "steadfast-redis", "tokio"];

/// One line with all of them.
pub(crate) fn line() -> anyhow::Result<String> {
    let versions: anyhow::Result<Vec<String>> =
        NAMED.iter().map(|name| Ok(format!("{name} {}", of(name)?))).collect();
    Ok(format!("versions: {}", versions?.join(", ")))
}

/// The version of a package in the lock file.
pub(crate) fn of(name: &str) -> anyhow::Result<&'static str> {
    let mut lines = LOCK.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = "));
    Ok(version.with_context(|| format!("{name} is not in the lock file"))?.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_are_in_the_lock_file() {
        assert!(super::line().is_ok_and(|line| line.contains("fred 10.1.")));
    }
}
