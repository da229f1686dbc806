//! The lock files of what stands outside the workspace: they are used with `--locked`, and nothing builds them at every change.

use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;

/// They name our crates too, with what those depend on.
const OUTSIDE: &[&str] = &["benches/peers/Cargo.lock", "benches/redis/Cargo.lock", "fuzz/Cargo.lock"];

/// Notes every dependency of one of `packages` that such a lock file does not know of.
pub(crate) fn check(packages: &[Value], breaches: &mut Vec<String>) -> anyhow::Result<()> {
    for path in OUTSIDE {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let locked = dependencies(&text);
        for package in packages {
            let name = package["name"].as_str().unwrap_or_default();
            let Some(known) = locked.get(name) else { continue };
            let wanted = package["dependencies"].as_array().into_iter().flatten();
            let wanted =
                wanted.filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false);
            for missing in wanted
                .filter_map(|dependency| dependency["name"].as_str())
                .filter(|name| !known.contains(name))
            {
                let folder = path.trim_end_matches("/Cargo.lock");
                breaches.push(format!(
                    "{path} does not know that {name} depends on {missing}: run `cargo update --workspace` in {folder}"
                ));
            }
        }
    }
    Ok(())
}

/// What each package of a lock file depends on.
fn dependencies(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut packages = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let mut lines = package.lines().map(str::trim);
        let Some(name) = lines.find_map(|line| line.strip_prefix("name = ")) else { continue };
        // Each as "name", or as "name version" where there are several.
        let listed =
            lines.skip_while(|line| *line != "dependencies = [").skip(1).take_while(|line| *line != "]");
        let names = listed.filter_map(|line| line.trim_matches(['"', ',']).split(' ').next());
        packages.insert(name.trim_matches('"'), names.collect());
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "one"
version = "0.1.0"
dependencies = [
 "two",
 "three 0.3.1",
]

[[package]]
name = "two"
version = "0.1.0"
"#;

    #[test]
    fn a_lock_file_tells_what_depends_on_what() {
        let found = dependencies(LOCK);
        assert_eq!(found["one"], ["two", "three"]);
        assert!(found["two"].is_empty());
    }
}
