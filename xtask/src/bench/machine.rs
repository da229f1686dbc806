//! Where figures come from: without this they mean nothing.

use crate::run::read;
use serde_json::{Value, json};

/// What there is to know about this machine and this checkout.
pub(super) fn facts() -> Value {
    let said = |program: &str, args: &[&str]| read(program, args).map(|text| text.trim().to_owned()).ok();
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_matches([' ', '\t', ':']));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).map(str::trim);
    let filesystem = said("df", &["--output=fstype,source", "."]);
    let filesystem = filesystem.as_deref().and_then(|text| text.lines().nth(1)).map(str::trim);
    json!({
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "cpu": cpu,
        "memory": memory,
        "kernel": said("uname", &["-sr"]),
        "filesystem": filesystem,
        "load_average_before": load_average(),
        "commit": said("git", &["rev-parse", "--short=12", "HEAD"]),
        "changed_files": said("git", &["status", "--porcelain"]).map(|text| text.lines().count()),
        "rustc": said("rustc", &["--version"]),
        "date": said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
    })
}

/// Of the last one, five and fifteen minutes.
pub(super) fn load_average() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
