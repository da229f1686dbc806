//! A cache that goes on while Redis is away, and what brings its writes back.
//!
//! [`Cache`] is what people use. What is below it talks to no server and reads no clock, and can be used alone:
//!
//! * [`Version`], [`HybridClock`]: which of two writes is the later one.
//! * the journal: an append-only log in a folder ([`JournalFolder`]), which outlives crashes.
//! * the ledger: what is to be sent back, in memory.
//! * [`Outbox`]: both together; takes writes, plans what is sent, takes answers.
//! * [`Remote`], [`Op`], [`Answer`], [`Script`]: the server, as far as sending back needs it, and the scripts that
//!   do each operation atomically.
//!
//! # Each kind of data
//!
//! | data | while Redis is away | when it is sent back |
//! |---|---|---|
//! | value | the latest write here is read | applied only if Redis knows no later version; keeps what is left of its lifetime; if it has ended, what it replaced is removed |
//! | deletion | remembered until it is sent | remembered in Redis until every older value has ended, so none comes back |
//! | counter | what is added, never the total | added once, however often it is sent, while its window lasts |
//! | dedup key | seen once here | seen once by all; who saw it second is told (`conflicted`) |
//! | field of a set or hash | put and removed here | replaces the versions that were known here; adding wins |
//! | lock | refused: see [`lock`](crate::lock) | |
//!
//! # What holds
//!
//! Each line is held by the tests that are named, which fail when the line is broken.
//!
//! | what holds | tests |
//! |---|---|
//! | With a journal and [`SyncPolicy::Always`], what was acknowledged is sent back, whatever crashes and whenever: a kill or a power cut at any step of the disk, while opening too. It is forgotten only when Redis has answered for it. | `a_crash_at_any_step_of_the_journal_changes_nothing`, `when_all_is_quiet_the_server_is_what_the_reference_says`, `a_crash_in_an_outage_loses_nothing_that_was_acknowledged` |
//! | A disk that tears, fills up, fails to sync or loses names loses nothing that was acknowledged; what is damaged is told. | `nothing_synced_is_lost`, `after_a_failed_sync_nothing_is_taken_until_it_is_rewritten`, `a_full_disk_refuses_and_loses_nothing`, `damage_is_named_and_what_follows_is_kept` |
//! | An older value does not come back over a later write or deletion, of whomever. | `when_all_is_quiet_the_server_is_what_the_reference_says`, `what_another_process_did_meanwhile_is_later_and_stays` |
//! | No addition counts twice, and none is lost: whatever is repeated, lost on the way, late or crashed. | `a_crash_at_any_step_of_the_journal_changes_nothing`, `when_all_is_quiet_the_server_is_what_the_reference_says`, `lost_replies_double_no_counter`, `an_outage_by_sigstop_doubles_nothing_and_serves_what_is_stale_at_once` |
//! | A removed field stays removed, though its put comes late, again, or from a process that is gone; what others added meanwhile stays. | `a_refused_put_does_not_undo_a_later_removal_at_the_server`, `a_put_of_a_process_that_is_gone_does_not_come_back`, `lost_replies_bring_no_removed_field_back`, `fields_changed_on_both_sides_of_an_outage_come_together_and_adding_wins` |
//! | Lifetimes run on during an outage. | `an_outage_by_kill_9_is_written_through_and_sent_back`, `deletions_are_sent_first_and_remembered_longer_than_the_outage` |
//! | What may be outdated is served, marked as stale, within `redis_soft` or `load_soft`; no call to Redis takes longer than `redis_hard`, no loader longer than `load_hard`. | `an_outage_by_sigstop_doubles_nothing_and_serves_what_is_stale_at_once`, `values_are_loaded_ahead_and_a_loader_that_fails_or_is_slow_is_covered` |
//! | In one process a key is read, and loaded, once for all who ask; it goes on when its caller goes. Values are loaded ahead of their end. | `one_loader_runs_for_all_who_ask`, `many_join_one_and_a_caller_that_goes_takes_nothing_with_it`, `values_are_loaded_ahead_and_a_loader_that_fails_or_is_slow_is_covered` |
//! | Other processes hear of a write; who may have missed one trusts nothing that it keeps. | `other_processes_hear_of_writes` |
//! | Memory and journal are bounded; beyond the bound a write is refused, and says what to do. | `beyond_its_memory_the_fallback_refuses_and_without_one_it_says_so`, `memory_is_bounded` |
//! | A full or read-only server is still read; slow answers must be several before it counts as away, and probes must be answered before it counts as back. | `a_full_or_read_only_server_is_still_read`, `it_is_away_as_the_history_says` |
//! | Sending back leaves room for live traffic. | `sending_back_leaves_room_for_live_traffic` |
//! | What came of it (applied, superseded, expired, merged, conflicted) is reported by [`Cache::report`], logged, and counted as metrics; no key and no value is logged. | `what_came_of_sending_back_is_reported_logged_and_counted` |
//! | The scripts do what the rules say. | `the_scripts_do_as_the_rules_in_memory`, `the_scripts_refuse_what_is_not_theirs` |
//!
//! The histories are random: several nodes that write, are cut off, crash, lose requests and replies, have clocks set, and
//! get messages late. `STEADFAST_HISTORIES` says how many a run lives, 300 if it does not, `PROPTEST_RNG_SEED` where it
//! begins. What once went wrong is in `tests/found.rs`, each under a name. The longest runs so far, on two cores of which
//! other work had its share, with optimised tests (`CARGO_PROFILE_TEST_OPT_LEVEL=2`), all without a find:
//!
//! | what | how many | seeds | seconds |
//! |---|---|---|---|
//! | random histories | 1,400,000 | 7 and 99 (300,000 each), 20261122 and 4242 (400,000 each) | 134, 135, 211, 197 |
//! | crashes at each step of the disk, by a kill, a power cut, and a second one while opening | 396,018 in 10,000 scenarios (`STEADFAST_HISTORIES=300000`) | fixed | 68 |
//! | the journal's own properties | 50,000 cases each (`PROPTEST_CASES`) | 20261122 | 4 |
//! | scripts on a real server against the rules | 20,000 operations (`STEADFAST_HISTORIES=2000`) | drawn | 12 |
//!
//! # What does not hold
//!
//! This is no consensus. Two nodes that set the same value while apart have both been told it is set; the later
//! one stays. Two nodes that see the same dedup key while apart have both seen it first. A value's lifetime is
//! exact within one run; if the machine's clock is set between two runs, what is left may be shorter by that step,
//! and is never longer than the whole. Clocks that differ by more than `fallback.skew_max_ms` may bring an older value
//! back once a deletion is forgotten. A batch of additions or of field operations whose answer was lost and that is sent
//! again more than [`TOKEN_KEEP_MS`] later may be done twice. A write that was refused because the disk failed may come to
//! life after a crash, unless Redis has had a later one. A server that loses its own data (a flush, a failover without
//! its last second) loses what was answered for.

mod entry;
mod front;
mod journal;
mod keys;
mod ledger;
mod outbox;
mod sync;
#[cfg(test)]
mod tests;
mod version;

pub use entry::{Expiry, Key, Kind};
pub use front::{
    Cache, CacheOptions, CacheReport, Cleared, Closed, Counted, CounterValue, Dedup, Found, LoadError, Seen,
    Source, Written,
};
pub use journal::{Damage, DiskFile, DiskFolder, JournalError, JournalFile, JournalFolder};
pub use keys::{floor_key, prefixed};
pub use outbox::{
    Batch, Change, Limits, Local, Outbox, OutboxSettings, Outcome, Recorded, Recovered, Refused, Settled,
    SyncPolicy,
};
pub use sync::{
    Answer, BadReply, Example, FieldOp, FieldVersions, NoAnswer, Op, Remote, Report, Script, StoredError,
    TOKEN_KEEP_MS, counter_sum, field_versions, stored_value,
};
pub use version::{AHEAD_MAX_MS, EvenTime, FarAhead, HybridClock, NoVersion, NodeId, Version};
