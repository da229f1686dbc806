//! How many connections this process may hold: strangers must not take the file descriptors that the stores, the
//! private ports and the way to Twilio need.

use steadfast_gateway::Limits;

/// Kept for everything but the public edge: 256 private connections, the stores' files, calls to Twilio.
const KEPT: usize = 320;
/// Below this the public edge would be of no use.
const LEAST: usize = 64;

/// `limits` with no more connections than the process may have files open.
pub(super) fn fit(limits: Limits) -> Limits {
    match std::fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(open_files_max) {
        Some(files_max) => fit_to(files_max, &limits),
        None => limits,
    }
}

fn fit_to(files_max: usize, limits: &Limits) -> Limits {
    let connections_max = limits.connections_max.min(files_max.saturating_sub(KEPT).max(LEAST));
    if connections_max < limits.connections_max {
        tracing::info!(
            files_max,
            connections_max,
            "the limit of open files allows fewer connections; raise it (`ulimit -n`, LimitNOFILE) for {}",
            limits.connections_max
        );
    }
    // One address still leaves half of them to all others.
    let connections_per_peer_max = limits.connections_per_peer_max.min((connections_max / 2).max(1));
    Limits { connections_max, connections_per_peer_max, ..limits.clone() }
}

/// The soft limit of open files in the words of Linux.
fn open_files_max(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_descriptors_for_the_rest() {
        let fitted = |files_max| {
            let fitted = fit_to(files_max, &Limits::default());
            (fitted.connections_max, fitted.connections_per_peer_max)
        };
        assert_eq!(fitted(1_024), (704, 352));
        assert_eq!(fitted(1_048_576), (4_096, 2_048));
        assert_eq!(fitted(100), (64, 32));
    }

    #[test]
    fn the_limit_is_read_as_linux_writes_it() {
        let text = "Limit     Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(open_files_max(text), Some(1_024));
        assert_eq!(open_files_max("Max open files  unlimited unlimited files"), None);
        assert_eq!(open_files_max(""), None);
    }
}
