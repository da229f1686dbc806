//! The settings of the fallback, and of metrics.

use super::setting::section;
use super::value::words;
use std::path::PathBuf;

/// When the journal's writes are made to reach the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalSync {
    /// Before each write is acknowledged: nothing acknowledged is lost, not even by a power cut.
    #[default]
    Always,
    /// Every `fallback.journal_sync_interval_ms`: a power cut loses at most that much; a killed process nothing.
    Interval,
    /// Only before anything is sent back, and on shutdown: a power cut may lose all; a killed process nothing.
    Request,
}

words!(JournalSync { Always = "always", Interval = "interval", Request = "request" });

section! {
    /// What happens to the cache's reads and writes while the server is away.
    Fallback at fallback {
        /// Whether they go on, in memory.
        enabled: bool = true, None, Live;
        /// How much memory they may take; what would take more is refused.
        memory_bytes_max: u64 = 67_108_864, Bytes 65_536 to 1_099_511_627_776, Live, also ["fallback.maxMemorySize"];
        /// How often it is looked whether something can be sent back.
        sync_interval_ms: u64 = 1_000, Ms 10 to 3_600_000, Live, also ["fallback.syncInterval"];
        /// How many entries are sent back at once.
        sync_entries_max: u32 = 256, Count 1 to 10_000, Live;
        /// Whether what is not sent back at a clean shutdown is kept for the next start. Needs `journal_folder`.
        persist_on_shutdown: bool = false, None, Live, also ["fallback.persistOnShutdown"];
        /// The folder of the journal, which makes the fallback's writes outlive the process. Not set: they do not.
        journal_folder: Option<PathBuf> = None, None, Restart;
        /// How large the journal may become; what would make it larger is refused.
        journal_bytes_max: u64 = 268_435_456, Bytes 1_048_576 to 1_099_511_627_776, Live;
        /// How large one of its files becomes before the next is begun.
        journal_segment_bytes: u64 = 8_388_608, Bytes 65_536 to 1_073_741_824, Live;
        /// When its writes are made to reach the disk.
        journal_sync: JournalSync = JournalSync::Always, None, Live;
        /// How often, if that is at an interval.
        journal_sync_interval_ms: u64 = 50, Ms 1 to 60_000, Live;
        /// The longest time for which a value is kept. A deletion is remembered for so long that no older value
        /// can come back.
        ttl_max_ms: u64 = 86_400_000, Ms 1_000 to 31_536_000_000, Live;
        /// For how much longer than the outage a deletion is remembered, at least.
        tombstone_extra_ms: u64 = 3_600_000, Ms 0 to 2_592_000_000, Live;
        /// By how much the clocks of nodes may differ. Versions are remembered for so much longer, which costs a
        /// second key for each value on the server; at 0 only values that live shorter than `ttl_max_ms` have one.
        skew_max_ms: u64 = 0, Ms 0 to 86_400_000, Live;
        /// How many examples of each kind a reconcile report names.
        report_examples_max: u32 = 20, Count 0 to 1_000, Live;
        /// Whether it names keys by a hash in place of the key.
        report_hash_keys: bool = false, None, Live;
    }
}

section! {
    /// What is measured.
    Metrics at metrics {
        /// Whether anything is.
        enabled: bool = true, None, Live;
        /// How often gauges are read and trends written down.
        collection_interval_ms: u64 = 10_000, Ms 100 to 3_600_000, Live, also ["metrics.collectionInterval"];
        /// For how long trends are kept.
        retention_ms: u64 = 3_600_000, Ms 1_000 to 604_800_000, Live, also ["metrics.retentionPeriod"];
        /// From which duration on a single operation is worth a line of its own.
        reporting_threshold_ms: u64 = 100, Ms 1 to 600_000, Live, also ["metrics.reportingThreshold"];
    }
}
