//! Commits, and what to do when one fails.

use super::{Reply, Writer};
use crate::backend::local::checkpoint::Checkpointer;
use crate::backend::local::ids;
use crate::backend::local::live::Effect;
use crate::backend::local::load::{self, Sizes};
use crate::backend::local::log::Log;
use crate::backend::local::options::{Faults, injected, take_one};
use crate::backend::local::schema;
use crate::backend::local::sql;
use crate::backend::local::stage::{Fail, Setting, Stage};
use crate::backend::local::write::{Answer, Write};
use crate::backend::rules;
use crate::backend::wall::Wall;
use crate::error::QueueError;
use crate::event::Event;
use crate::job::JobId;
use crate::schedule::FIRED_WINDOW_MS;
use rusqlite::ffi::SQLITE_IOERR_FSYNC;
use rusqlite::{Connection, ErrorCode, params};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// Everything stored, or nothing of it.
type Committed = Result<Vec<Answer>, Fail>;

/// A transaction ready to be committed, and what it changes in memory.
struct Staged {
    answers: Vec<Answer>,
    effects: Vec<Effect>,
    happened: Vec<Event>,
    number: i64,
    commits: i64,
    marked: Vec<JobId>,
    /// Whether anything was written.
    changed: bool,
}

impl Writer {
    /// Stores `writes` and says what became of each that somebody waits for.
    ///
    /// All go into one transaction. If that fails for a reason that may lie in one of them, each is tried
    /// alone, so that only the offender fails. After an I/O error nothing more is tried: what is on disk is
    /// not known until the store has been reopened.
    pub(super) fn store(
        &mut self,
        writes: Vec<(Write, Option<Reply<Answer>>)>,
    ) -> Vec<(Reply<Answer>, Result<Answer, QueueError>)> {
        if writes.is_empty() {
            return Vec::new();
        }
        let (writes, replies): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let all: Vec<&Write> = writes.iter().collect();
        let must_last = writes.iter().any(Write::must_last);
        let refuse = |error: QueueError| writes.iter().map(|_| Err(error.clone())).collect();
        let answers: Vec<Result<Answer, QueueError>> = match &self.broken {
            Some(error) => refuse(error.clone()),
            None => match self.commit(&all, must_last) {
                Ok(answers) => answers.into_iter().map(Ok).collect(),
                Err(fail) if writes.len() == 1 || concerns_all(&fail) => refuse(self.explain(fail)),
                Err(_) => writes.iter().map(|write| self.store_alone(write)).collect(),
            },
        };
        let mut kept = Vec::new();
        for ((answer, reply), write) in answers.into_iter().zip(replies).zip(writes) {
            match (answer, reply) {
                (answer, Some(reply)) => kept.push((reply, answer)),
                // A chore is done in the end.
                (Err(_), None) if write.must_last() => self.chores.push_back(write),
                _ => {}
            }
        }
        kept
    }

    fn store_alone(&mut self, write: &Write) -> Result<Answer, QueueError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let committed = self.commit(&[write], write.must_last()).and_then(|mut answers| {
            answers.pop().ok_or_else(|| Fail::Broken("a write was stored without an answer".to_owned()))
        });
        committed.map_err(|fail| self.explain(fail))
    }

    /// One transaction. Memory changes only if it is on disk.
    pub(super) fn commit(&mut self, writes: &[&Write], must_last: bool) -> Committed {
        let (now_ms, begun) = (self.now_ms, Instant::now());
        self.limit_pages()?;
        self.enter(writes, now_ms)?;
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let staged = self.stage(writes, now_ms).and_then(|staged| {
            self.seal(must_last, staged.changed)?;
            Ok(staged)
        });
        let Staged { answers, effects, happened, number, commits, marked, .. } = match staged {
            Ok(staged) => staged,
            Err(fail) => {
                self.roll_back();
                return Err(fail);
            }
        };
        let mut live = self.shared.change();
        live.number = number;
        live.commits = commits;
        live.unmarked.clear();
        for id in marked {
            if let Some(held) = live.held.get_mut(&id) {
                held.marked = true;
            }
        }
        effects.into_iter().for_each(|effect| live.apply(effect));
        drop(live);
        self.shared.events.tell(happened);
        if must_last {
            crate::metrics::local_commit(writes.len(), begun.elapsed());
        }
        Ok(answers)
    }

    fn stage(&mut self, writes: &[&Write], now_ms: i64) -> Result<Staged, Fail> {
        let live = self.shared.look();
        let changes = self.conn.total_changes();
        let mono_ms = self.clock.mono_ms();
        let setting = Setting { dice: &mut self.dice, now_ms, mono_ms };
        let mut stage = Stage::new(&self.conn, &live, setting, writes);
        let answers = writes.iter().map(|write| stage.run(write)).collect::<Result<Vec<_>, _>>()?;
        let marked = stage.close()?;
        let mut commits = live.commits;
        let changed = self.conn.total_changes() != changes;
        if changed {
            commits += 1;
            let shifts = writes.iter().any(|write| matches!(write, Write::ShiftBack(_)));
            let seen_ms = if shifts { now_ms } else { self.wall.meant_ms(mono_ms) };
            let mut pulse =
                self.conn.prepare_cached("UPDATE pulse SET commits = ?1, number = ?2, seen = ?3")?;
            pulse.execute([commits, stage.number, seen_ms])?;
        }
        let Stage { number, effects, happened, .. } = stage;
        Ok(Staged { answers, number, effects, happened, commits, marked, changed })
    }

    /// What `write` would do, in a transaction that is undone.
    pub(super) fn count(&mut self, write: &Write) -> Result<Answer, QueueError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let counted = self.conn.execute_batch("BEGIN IMMEDIATE").map_err(Fail::from).and_then(|()| {
            let live = self.shared.look();
            let setting =
                Setting { dice: &mut self.dice, now_ms: self.now_ms, mono_ms: self.clock.mono_ms() };
            Stage::new(&self.conn, &live, setting, &[]).run(write)
        });
        self.roll_back();
        counted.map_err(|fail| self.explain(fail))
    }

    /// The commit itself: returns when the disk has it, if it `must_last`. What may be lost in a power cut is in
    /// the hands of the operating system then, which survives this process.
    fn seal(&self, must_last: bool, changed: bool) -> Result<(), Fail> {
        let faults = &self.options.faults;
        if must_last && take_one(&faults.commits_lost) {
            return Err(Fail::Sql(injected(SQLITE_IOERR_FSYNC)));
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        if must_last && changed {
            let took = self.log.sync().map_err(|error| {
                let code = rusqlite::ffi::Error::new(SQLITE_IOERR_FSYNC);
                Fail::Sql(rusqlite::Error::SqliteFailure(code, Some(error.to_string())))
            })?;
            crate::metrics::local_sync(took);
        }
        if must_last && take_one(&faults.commits_unsure) {
            return Err(Fail::Sql(injected(SQLITE_IOERR_FSYNC)));
        }
        Ok(())
    }

    fn roll_back(&self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back; the store will be reopened");
        }
    }

    /// Enters queues and id tables that `writes` need and that are not there yet: seldom, so in a transaction
    /// of its own.
    fn enter(&mut self, writes: &[&Write], now_ms: i64) -> Result<(), Fail> {
        let (names, slots) = {
            let live = self.shared.look();
            let mut names = BTreeSet::new();
            let mut slots = BTreeSet::new();
            for new in writes.iter().flat_map(|write| write.new_jobs()) {
                names.insert(new.job.queue.as_str());
                slots.insert(ids::slot_for(new.until_ms, now_ms));
            }
            names.extend(writes.iter().filter_map(|write| match write {
                Write::SetMode { queue, .. } | Write::Configure { queue, .. } => Some(queue.as_str()),
                Write::PutSchedule(planned) => Some(planned.schedule.queue.as_str()),
                _ => None,
            }));
            let fires = writes.iter().any(|write| matches!(write, Write::Promote(_)));
            if fires && !live.schedules.is_empty() {
                slots.insert(ids::slot_for(rules::later(now_ms, FIRED_WINDOW_MS), now_ms));
            }
            names.retain(|name| live.queue_no(name).is_none());
            slots.retain(|&slot| !live.buckets.has(slot));
            (names, slots)
        };
        if names.is_empty() && slots.is_empty() {
            return Ok(());
        }
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let entered = self.enter_all(&names, &slots);
        if entered.is_err() {
            self.roll_back();
        }
        entered
    }

    fn enter_all(&self, names: &BTreeSet<&str>, slots: &BTreeSet<i64>) -> Result<(), Fail> {
        let mut numbers = Vec::new();
        for name in names {
            self.conn.execute("INSERT INTO queue(name, paused) VALUES(?1, 0)", params![name])?;
            numbers.push(((*name).to_owned(), self.conn.last_insert_rowid()));
        }
        let mut buckets = self.shared.look().buckets.clone();
        for &slot in slots {
            buckets.create(&self.conn, slot)?;
        }
        self.conn.execute_batch("COMMIT")?;
        let (sizes, mono_ms) = (Sizes::of(&self.options), self.clock.mono_ms());
        let mut live = self.shared.change();
        live.buckets = buckets;
        for (name, no) in numbers {
            live.names.insert(name.clone(), no);
            live.queues.insert(no, sizes.new_queue(name, mono_ms));
        }
        Ok(())
    }

    /// For the callers, and for the log; after an I/O error the store is out of order.
    pub(super) fn explain(&mut self, fail: Fail) -> QueueError {
        let io = is_io(&fail);
        let error = match fail {
            Fail::Broken(what) => QueueError::Inconsistent { what },
            Fail::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                QueueError::Inconsistent { what: error.to_string() }
            }
            Fail::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                unavailable("the disk is full", error)
            }
            Fail::Sql(error) => unavailable("writing to the store", error),
        };
        tracing::error!(%error, io, "a write was not stored");
        crate::metrics::local_error();
        if io {
            self.broken = Some(error.clone());
        }
        error
    }

    /// After an I/O error: opens the file anew, has all that is known written and synced once more, and
    /// rebuilds memory from what is there. Until that succeeds, everything is refused.
    pub(super) fn mend(&mut self) -> Result<(), QueueError> {
        if self.broken.is_none() && self.checkpointer.is_in_doubt() {
            let what = "the log could not be moved into the database".to_owned();
            self.broken = Some(QueueError::Unavailable { what, source: None });
        }
        let Some(broken) = &self.broken else { return Ok(()) };
        if take_one(&self.options.faults.reopens_lost) {
            return Err(broken.clone());
        }
        match self.reopen() {
            Ok(()) => {
                self.broken = None;
                tracing::warn!("the store was reopened after an I/O error");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be reopened yet");
                Err(error)
            }
        }
    }

    fn reopen(&mut self) -> Result<(), QueueError> {
        let failed = |error| unavailable("reopening the store after an I/O error", error);
        // The last connection must be closed: the first one then reads the log anew, checksum by checksum, where the
        // others would go on believing in what they know of it.
        let Some(_hushed) = self.readers.hush() else {
            let what = "reopening the store after an I/O error: a search still runs".to_owned();
            return Err(QueueError::Unavailable { what, source: None });
        };
        self.checkpointer.stop();
        self.conn = Connection::open_in_memory().map_err(failed)?;
        schema::rewrite_log(&self.options.path).map_err(|error| QueueError::Unavailable {
            what: "writing the log once more after an I/O error".to_owned(),
            source: Some(Arc::new(error)),
        })?;
        self.conn = schema::open_writer(&self.options.path).map_err(|error| QueueError::Unavailable {
            what: "reopening the store after an I/O error".to_owned(),
            source: Some(Arc::new(error)),
        })?;
        // So that all that is known lies in the database too, and the log begins anew.
        let busy: i64 =
            self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(failed)?;
        if busy != 0 {
            return Err(QueueError::Unavailable { what: "the log is in use".to_owned(), source: None });
        }
        self.log = Log::open(&self.options.path).map_err(|error| QueueError::Unavailable {
            what: "opening the store's log".to_owned(),
            source: Some(Arc::new(error)),
        })?;
        schema::leave_syncing(&self.conn).map_err(failed)?;
        let bounds = self.options.bounds;
        self.checkpointer =
            Checkpointer::start(&self.options.path, bounds.wal_pages_max, Arc::clone(&self.data)).map_err(
                |error| QueueError::Unavailable {
                    what: "starting a thread".to_owned(),
                    source: Some(Arc::new(error)),
                },
            )?;
        let sizes = Sizes::of(&self.options);
        let mut fresh = load::live(&self.conn, sizes, self.clock.mono_ms()).map_err(failed)?;
        let mut live = self.shared.change();
        if fresh.commits < live.commits {
            let lost = live.commits - fresh.commits;
            tracing::error!(lost, "the disk lost commits that it had confirmed");
            crate::metrics::local_commits_lost(u64::try_from(lost).unwrap_or(0));
        }
        if fresh.commits != live.commits {
            // A shift may be among those lost, or there after all: the disk knows what its times are meant in.
            let seen_ms = load::pulse(&self.conn).map_err(failed)?.seen_ms;
            self.wall = Wall::at(seen_ms, self.clock.mono_ms());
        }
        load::take_over(&self.conn, &mut fresh, &live).map_err(failed)?;
        load::suspects(&self.conn, &mut fresh).map_err(failed)?;
        fresh.woken = fresh.queues.keys().copied().collect();
        let as_told = fresh.commits == live.commits;
        *live = fresh;
        drop(live);
        if !as_told {
            // What was told is not what is stored, and nobody knows the difference.
            self.shared.events.break_off();
        }
        Ok(())
    }

    /// A clean end: nothing that ran has crashed.
    pub(super) fn finish(&mut self) {
        if let Err(error) = self.mend() {
            tracing::error!(%error, "the store was closed out of order; the next start takes it for a crash");
            return;
        }
        let seen_ms = self.wall.meant_ms(self.clock.mono_ms());
        let sql = format!(
            "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; DELETE FROM mark WHERE cancel = 0;
             UPDATE pulse SET clean = 1, seen = {seen_ms}; COMMIT;"
        );
        if let Err(error) = self.conn.execute_batch(&sql) {
            tracing::error!(
                %error,
                "the store was closed without its clean mark; the next start takes it for a crash"
            );
            return;
        }
        self.checkpointer.stop();
        self.readers.reset();
        if let Err(error) = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the log could not be emptied at the end; the next start reads it");
        }
    }

    fn limit_pages(&self) -> Result<(), Fail> {
        let Faults { pages_max, .. } = &self.options.faults;
        let pages = pages_max.load(Ordering::SeqCst);
        // Zero leaves the limit as it is, so lifting one needs a high one.
        if pages > 0 {
            self.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        Ok(())
    }
}

/// Whether the fault cannot lie in one of the writes: trying each alone would only take longer.
fn concerns_all(fail: &Fail) -> bool {
    let Fail::Sql(error) = fail else { return false };
    let busy = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory)
    );
    busy || is_io(fail)
}

/// Whether what is on disk is no longer known.
fn is_io(fail: &Fail) -> bool {
    matches!(fail, Fail::Sql(error) if sql::leaves_doubt(error))
}

fn unavailable(what: &str, error: rusqlite::Error) -> QueueError {
    QueueError::Unavailable { what: what.to_owned(), source: Some(Arc::new(error)) }
}
