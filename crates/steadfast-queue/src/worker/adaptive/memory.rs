//! How much of its memory the process may still use. Linux; elsewhere unknown.
//!
//! The process runs out at the tightest of its control groups' limits, or of the machine's memory. Page cache
//! that the kernel can drop at once does not count (`inactive_file`, as the kubelet's working set has it, and
//! `MemAvailable`).

use std::path::{Path, PathBuf};

/// The share in use, 0.0 to 1.0; `None` where it cannot be known.
pub(crate) fn share() -> Option<f64> {
    share_below(Path::new("/"))
}

fn share_below(root: &Path) -> Option<f64> {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let machine = read(root.join("proc/meminfo")).as_deref().and_then(machine_share);
    let groups = read(root.join("proc/self/cgroup")).as_deref().and_then(group_path).map(|path| {
        let top = root.join("sys/fs/cgroup");
        let own = top.join(path.trim_start_matches('/'));
        let levels = own.ancestors().take_while(|level| level.starts_with(&top));
        levels
            .filter_map(|level| {
                let text = |name: &str| read(level.join(name));
                group_share(&text("memory.max")?, &text("memory.current")?, text("memory.stat").as_deref())
            })
            .fold(0.0, f64::max)
    });
    match (machine, groups) {
        (Some(machine), Some(groups)) => Some(machine.max(groups)),
        (machine, groups) => machine.or(groups.filter(|&share| share > 0.0)),
    }
}

/// The version 2 group of a `/proc/self/cgroup`.
fn group_path(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

fn machine_share(meminfo: &str) -> Option<f64> {
    let kib = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches(" kB").trim().parse::<u64>().ok()
    };
    let (total, available) = (kib("MemTotal")?, kib("MemAvailable")?);
    ratio(total.saturating_sub(available), total)
}

/// `None` if the group has no limit.
fn group_share(max: &str, current: &str, stat: Option<&str>) -> Option<f64> {
    let max = max.trim().parse::<u64>().ok()?;
    let current = current.trim().parse::<u64>().ok()?;
    let cached = stat.and_then(|stat| {
        stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?.trim().parse::<u64>().ok()
    });
    ratio(current.saturating_sub(cached.unwrap_or(0)), max)
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
fn ratio(used: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| used as f64 / of as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
        std::fs::write(path, text).expect("writes");
    }

    #[test]
    fn the_tightest_limit_counts_and_droppable_cache_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        assert_eq!(share_below(root), None);
        write(root, "proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    750 kB\n");
        assert_eq!(share_below(root), Some(0.25));
        write(root, "proc/self/cgroup", "12:cpu:/old\n0::/shop/worker\n");
        assert_eq!(share_below(root), Some(0.25), "no limits");
        write(root, "sys/fs/cgroup/shop/worker/memory.max", "max\n");
        write(root, "sys/fs/cgroup/shop/worker/memory.current", "900\n");
        assert_eq!(share_below(root), Some(0.25));
        write(root, "sys/fs/cgroup/shop/memory.max", "2000\n");
        write(root, "sys/fs/cgroup/shop/memory.current", "1900\n");
        assert_eq!(share_below(root), Some(0.95));
        write(root, "sys/fs/cgroup/shop/memory.stat", "anon 1\ninactive_file 900\n");
        assert_eq!(share_below(root), Some(0.5));
    }

    #[test]
    fn nonsense_is_unknown() {
        assert_eq!(machine_share("MemTotal: x kB"), None);
        assert_eq!(machine_share("MemTotal: 0 kB\nMemAvailable: 0 kB"), None);
        assert_eq!(group_share("max", "1", None), None);
        assert_eq!(group_share("-1", "1", None), None);
    }
}
