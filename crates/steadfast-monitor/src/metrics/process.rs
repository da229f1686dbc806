//! What this process uses, as Linux tells it. Elsewhere nothing is known, and nothing is shown.

use std::fs;

/// A reading. Each part is missing where it cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct ProcessUse {
    pub(crate) resident_bytes: Option<f64>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) open_fds: Option<f64>,
}

/// Reads it. Touches only `/proc`; may take a millisecond where very many files are open, so call it off
/// the runtime's threads.
pub(crate) fn read() -> ProcessUse {
    let text = |path| fs::read_to_string(path).ok();
    ProcessUse {
        resident_bytes: text("/proc/self/status").as_deref().and_then(resident_bytes),
        cpu_seconds: text("/proc/self/stat").as_deref().and_then(cpu_seconds),
        open_fds: fs::read_dir("/proc/self/fd").ok().and_then(|entries| {
            // Listing the folder holds one file open itself.
            u32::try_from(entries.count().saturating_sub(1)).ok().map(f64::from)
        }),
    }
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024.0)
}

/// User and system time. Linux counts them towards programs in hundredths of a second on every platform.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name in brackets, which may itself hold blanks and brackets.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   5120 kB\nThreads:\t3\n"), Some(5_242_880.0));
        let stat = "1 (a b) c) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        for broken in ["", "1 (x", "1 (x) S 1", "VmRSS: many kB", ") ) )"] {
            assert_eq!((resident_bytes(broken), cpu_seconds(broken)), (None, None), "{broken}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_something() {
        let used = read();
        assert!(used.resident_bytes.is_some_and(|bytes| bytes > 100_000.0), "{used:?}");
        assert!(used.cpu_seconds.is_some() && used.open_fds.is_some_and(|fds| fds >= 3.0), "{used:?}");
    }
}
