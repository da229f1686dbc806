//! The store: the port over one writer and a few readers.

use crate::apply::Offer;
use crate::catalogue::{CatalogueCache, CatalogueError, Outdated};
use crate::failure::{Failure, bad_json, unavailable};
use crate::operation::Write;
use crate::options::{OpenError, RecordsOptions};
use crate::overview::{Counts, MessageSummary, PageCursor, RecordsRead, TroubledReply};
use crate::prune::{PruneReport, Retention, STEPS};
use crate::readers::Readers;
use crate::writer::{Queue, Writer};
use crate::{
    apply, catalogue, conversation, events, ledger, open, orders, outbox, overview, prune, status, writer,
};
use async_trait::async_trait;
use rusqlite::Connection;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use steadfast_clock::SharedClock;
use steadfast_core::catalogue::Catalogue;
use steadfast_core::conversation::{Conversation, ConversationId};
use steadfast_core::decision::{Applied, Decision, StepKey};
use steadfast_core::message::{MessageSid, StatusCallback};
use steadfast_core::order::Order;
use steadfast_core::outbox::{Claim, OutboxId, SendRecord};
use steadfast_core::ports::{Records, RecordsError};
use steadfast_core::timeline::Timeline;
use tokio::time::timeout;

/// The records in one SQLite file, for one process.
///
/// # Limits
/// Writes wait in a queue of `waiting_max`; beyond it they are refused as unavailable after
/// `enqueue_timeout_ms`. Reads wait for one of `readers` connections, within `read_timeout_ms`.
///
/// Dropped without [`close`](Self::close), the writer ends by itself once it has written what waited; until
/// then the file stays locked.
#[derive(Debug)]
pub struct SqliteRecords {
    clock: SharedClock,
    /// `None` once closed.
    open: RwLock<Option<(Queue, Writer)>>,
    readers: Readers,
    catalogue: Arc<CatalogueCache>,
    enqueue_timeout: Duration,
    answer_timeout: Duration,
}

impl SqliteRecords {
    /// Opens the records, making or migrating the file as needed. Blocks while it does.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way and what to do about it.
    pub fn open(options: RecordsOptions, clock: SharedClock) -> Result<Arc<Self>, OpenError> {
        let lock = open::prepare_files(&options.path)?;
        let conn = open::first_connection(&options)?;
        if options.seed_demo {
            seed_demo(&conn)?;
        }
        let readers = Readers::new(
            options.path.clone(),
            options.readers,
            Duration::from_millis(options.read_timeout_ms),
        );
        let enqueue_timeout = Duration::from_millis(options.enqueue_timeout_ms);
        let answer_timeout = Duration::from_millis(options.answer_timeout_ms);
        let running = writer::start(options, conn, lock).map_err(OpenError::Thread)?;
        Ok(Arc::new(Self {
            clock,
            open: RwLock::new(Some(running)),
            readers,
            catalogue: Arc::default(),
            enqueue_timeout,
            answer_timeout,
        }))
    }

    /// Refuses what comes from now on, writes what waits, and closes the file. Calling it again does
    /// nothing.
    ///
    /// # Cancel safety
    /// Dropped midway, the file is closed all the same, soon after.
    pub async fn close(&self) {
        let running = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        self.readers.close().await;
        let Some((queue, writer)) = running else { return };
        drop(queue);
        let joined = tokio::task::spawn_blocking(move || writer.thread.join());
        match timeout(self.answer_timeout, joined).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) => tracing::error!("the records' writer ended by a panic"),
            Err(_) => tracing::error!("the records' writer did not end in time; it goes on alone"),
        }
    }

    /// Replaces the catalogue as a whole. Orders and drafts keep the prices that were shown.
    ///
    /// # Errors
    /// [`CatalogueError::Invalid`] names what cannot be sold from; the old catalogue stays.
    pub async fn replace_catalogue(&self, catalogue: &Catalogue) -> Result<(), CatalogueError> {
        catalogue::check(catalogue)?;
        let catalogue = catalogue.clone();
        let outdated = Outdated(Arc::clone(&self.catalogue));
        let write = move |tx: &Connection| catalogue::replace(tx, &catalogue).map(|()| outdated);
        self.write("replacing the catalogue", write).await?;
        Ok(())
    }

    /// Fills an empty catalogue with the demonstration's. Says whether it did.
    pub async fn seed_demo_catalogue(&self) -> Result<bool, RecordsError> {
        let outdated = Outdated(Arc::clone(&self.catalogue));
        let write = move |tx: &Connection| catalogue::seed_demo(tx).map(|seeded| (seeded, outdated));
        Ok(self.write("seeding the catalogue", write).await?.0)
    }

    /// Forgets what is older than `retention` says at `now_ms`, at most `limit` rows of each kind; the
    /// report says whether to call again. Open orders and unsettled replies stay, whatever their age.
    ///
    /// # Cancel safety
    /// Each chunk is a write of its own: dropped midway, what was forgotten stays forgotten.
    pub async fn prune(
        &self,
        now_ms: i64,
        retention: Retention,
        limit: u32,
    ) -> Result<PruneReport, RecordsError> {
        let mut report = PruneReport::default();
        for step in STEPS {
            let cutoff_ms = retention.cutoff_ms(step, now_ms);
            let rows = self.write("forgetting", move |tx| prune::run(tx, step, cutoff_ms, limit)).await?;
            report.add(step, rows, limit);
        }
        Ok(report)
    }

    /// Hands `work` to the writer and waits for the commit it becomes part of.
    async fn write<T, W>(&self, doing: &'static str, work: W) -> Result<T, RecordsError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let closed = || unavailable(format!("{doing}: the records are closed"));
        let queue = {
            let running = self.open.read().unwrap_or_else(PoisonError::into_inner);
            running.as_ref().map(|(queue, _)| queue.clone()).ok_or_else(closed)?
        };
        let (operation, answer) = Write::new(doing, work);
        match timeout(self.enqueue_timeout, queue.reserve()).await {
            Ok(Ok(place)) => place.send(operation),
            Ok(Err(_)) => return Err(closed()),
            Err(_) => return Err(writer::overloaded(doing)),
        }
        drop(queue);
        match timeout(self.answer_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(unavailable(format!("{doing}: no answer in time, it may still happen"))),
        }
    }

    fn is_failing(&self) -> bool {
        let running = self.open.read().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().is_none_or(|(_, writer)| writer.failing.load(Ordering::Relaxed))
    }
}

fn seed_demo(conn: &Connection) -> Result<(), OpenError> {
    let failed = |failure| {
        let source = match failure {
            Failure::Sql(source) => source,
            Failure::Refused(error) => rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
        };
        OpenError::Database { what: "the demonstration catalogue cannot be stored".to_owned(), source }
    };
    let tx = conn.unchecked_transaction().map_err(Failure::from).map_err(failed)?;
    catalogue::seed_demo(&tx).map_err(failed)?;
    tx.commit().map_err(Failure::from).map_err(failed)
}

#[async_trait]
impl Records for SqliteRecords {
    async fn applied(&self, step: &StepKey) -> Result<Option<Decision>, RecordsError> {
        let step = step.clone();
        self.readers.read("looking up a step", move |conn| ledger::find(conn, &step)).await
    }

    async fn apply(
        &self,
        step: &StepKey,
        expected: Option<(ConversationId, u64)>,
        decision: Decision,
    ) -> Result<Applied, RecordsError> {
        let doing = "applying a decision";
        let json = serde_json::to_string(&decision)
            .map_err(|error| bad_json("decision", &error).into_error(doing))?;
        let offer = Offer { step: step.clone(), expected, decision, json };
        let clock = Arc::clone(&self.clock);
        self.write(doing, move |tx| apply::apply(tx, offer, clock.now_ms())).await
    }

    async fn conversation(&self, id: &ConversationId) -> Result<Conversation, RecordsError> {
        let id = id.clone();
        self.readers.read("reading a conversation", move |conn| conversation::load(conn, &id)).await
    }

    async fn catalogue(&self) -> Result<Arc<Catalogue>, RecordsError> {
        let (seen, cached) = self.catalogue.get();
        if let Some(catalogue) = cached {
            return Ok(catalogue);
        }
        let catalogue = Arc::new(self.readers.read("reading the catalogue", catalogue::load).await?);
        self.catalogue.put(seen, &catalogue);
        Ok(catalogue)
    }

    async fn orders(&self, conversation: &ConversationId, limit: u32) -> Result<Vec<Order>, RecordsError> {
        let id = conversation.clone();
        self.readers.read("reading orders", move |conn| orders::of_conversation(conn, &id, limit)).await
    }

    async fn claim(&self, id: &OutboxId, hold_ms: i64) -> Result<Claim, RecordsError> {
        let (id, clock) = (id.clone(), Arc::clone(&self.clock));
        self.write("claiming a reply", move |tx| outbox::claim(tx, &id, hold_ms, clock.now_ms())).await
    }

    async fn record_send(&self, id: &OutboxId, outcome: SendRecord) -> Result<(), RecordsError> {
        let (id, clock) = (id.clone(), Arc::clone(&self.clock));
        let write = move |tx: &Connection| outbox::record_send(tx, &id, &outcome, clock.now_ms());
        self.write("recording a send", write).await?
    }

    async fn record_status(&self, callback: &StatusCallback) -> Result<bool, RecordsError> {
        let callback = callback.clone();
        self.write("recording a status", move |tx| status::record(tx, &callback)).await
    }

    async fn known_sids(&self, sids: &[MessageSid]) -> Result<Vec<MessageSid>, RecordsError> {
        let sids = sids.to_vec();
        self.readers.read("looking up message ids", move |conn| outbox::known_sids(conn, &sids)).await
    }

    async fn timeline(&self, sid: &MessageSid) -> Result<Option<Timeline>, RecordsError> {
        let sid = sid.clone();
        self.readers.read("reading a timeline", move |conn| events::timeline(conn, &sid)).await
    }

    /// Asks a reader and the writer. While the last write failed, it tries one that needs room.
    async fn ping(&self) -> Result<(), RecordsError> {
        let readable = |conn: &Connection| Ok(conn.query_row("SELECT 1", [], |_| Ok(()))?);
        self.readers.read("reading for a health check", readable).await?;
        let failing = self.is_failing();
        let probe = move |tx: &Connection| if failing { claim_room(tx) } else { Ok(()) };
        self.write("writing for a health check", probe).await
    }
}

/// Writes and removes more than one page, as new rows will.
fn claim_room(tx: &Connection) -> Result<(), Failure> {
    tx.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('probe', hex(zeroblob(8192)))", [])?;
    tx.execute("DELETE FROM settings WHERE key = 'probe'", [])?;
    Ok(())
}

#[async_trait]
impl RecordsRead for SqliteRecords {
    async fn counts(&self) -> Result<Counts, RecordsError> {
        self.readers.read("counting", overview::counts).await
    }

    async fn recent_messages(
        &self,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<MessageSummary>, RecordsError> {
        let query = move |conn: &Connection| overview::recent(conn, after.as_ref(), limit);
        self.readers.read("listing messages", query).await
    }

    async fn troubled_replies(&self, limit: u32) -> Result<Vec<TroubledReply>, RecordsError> {
        self.readers.read("listing replies in trouble", move |conn| overview::troubled(conn, limit)).await
    }
}
