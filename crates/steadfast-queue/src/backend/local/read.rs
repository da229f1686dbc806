//! Looking at jobs, on connections of their own: a search never stands in the writer's way.

use super::ids::Buckets;
use super::live::Live;
use super::load::{CONTENTS, whole};
use super::log::Data;
use super::options::Bounds;
use super::schema;
use super::sql;
use super::stage::fill;
use super::ticket::{TICKET, Table, Ticket};
use crate::backend::{Filter, Status};
use crate::error::QueueError;
use crate::job::{Job, JobId};
use crate::state::State;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Searches at the same time.
const READERS: usize = 2;
/// The connections.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    bounds: Bounds,
    gate: Arc<Semaphore>,
    /// Those not in use, and how often they have been thrown away.
    idle: Mutex<(u64, Vec<Connection>)>,
    tasks: TaskTracker,
    /// Behind the connections: see there.
    _data: Arc<Data>,
}

impl Readers {
    pub(super) fn new(path: &Path, bounds: Bounds, data: Arc<Data>) -> Self {
        let gate = Arc::new(Semaphore::new(READERS));
        Self {
            path: path.to_owned(),
            bounds,
            gate,
            idle: Mutex::new((0, Vec::new())),
            tasks: TaskTracker::new(),
            _data: data,
        }
    }

    /// Throws the connections away.
    pub(super) fn reset(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.0 += 1;
        idle.1.clear();
    }

    /// Throws the connections away, and lets nobody open one for as long as what is returned is held; `None` while
    /// somebody reads.
    pub(super) fn hush(&self) -> Option<OwnedSemaphorePermit> {
        let all = u32::try_from(READERS).unwrap_or(u32::MAX);
        let hushed = Arc::clone(&self.gate).try_acquire_many_owned(all).ok()?;
        self.reset();
        Some(hushed)
    }

    /// Waits until nobody reads any more.
    pub(super) async fn close(&self) {
        self.tasks.close();
        if timeout(self.bounds.answer_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("a search was still running when the store was closed");
        }
        self.reset();
    }

    /// Runs `look` on a connection, off the runtime's threads.
    pub(super) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        if self.tasks.is_closed() {
            return Err(QueueError::Closed);
        }
        let permit = timeout(self.bounds.admit_timeout, Arc::clone(&self.gate).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(QueueError::Overloaded { waiting: READERS }) };
        let readers = Arc::clone(self);
        let task = self.tasks.spawn_blocking(move || {
            let _permit = permit;
            readers.with_connection(look)
        });
        match timeout(self.bounds.answer_timeout, task).await {
            Ok(Ok(Ok(found))) => Ok(found),
            Ok(Ok(Err(error))) => Err(QueueError::Unavailable {
                what: "reading the store".to_owned(),
                source: Some(Arc::new(error)),
            }),
            Ok(Err(_)) => Err(QueueError::Inconsistent { what: "a search ended by a defect".to_owned() }),
            Err(_) => Err(QueueError::Unavailable {
                what: "reading the store took too long".to_owned(),
                source: None,
            }),
        }
    }

    fn with_connection<T>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let (age, idle) = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            (idle.0, idle.1.pop())
        };
        let conn = match idle {
            Some(conn) => conn,
            None => schema::open_reader(&self.path)?,
        };
        let found = {
            // One view of all tables: jobs move between them.
            let view = conn.unchecked_transaction()?;
            look(&view)
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.0 == age && found.is_ok() {
            idle.1.push(conn);
        }
        found
    }
}

/// What memory adds to the rows, taken before they are read: a job that is held then and still where it was is
/// running.
#[derive(Debug)]
pub(super) struct View {
    pub(super) names: BTreeMap<i64, String>,
    /// Attempt and row of running jobs.
    pub(super) running: HashMap<JobId, (u32, i64)>,
    /// The rows of those asked for whose ids are not in the tables.
    fresh: HashMap<JobId, i64>,
    /// Members of the group asked for that are not in the table.
    pub(super) members: Vec<i64>,
    pub(super) number: i64,
}

impl View {
    /// All of it, as far as a search for `filter` is concerned.
    pub(super) fn whole(live: &Live, filter: &Filter) -> Self {
        let mut view = Self::with(live, live.held.keys(), &filter.ids);
        if let Some(group) = filter.group {
            let queues: Vec<i64> = view.queues(filter).collect();
            let members = queues.into_iter().flat_map(|no| live.fresh.members(no, group, i64::MAX));
            view.members = members.collect();
        }
        view
    }

    /// The queues in which to look.
    pub(super) fn queues<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = i64> + 'a {
        let wanted = |name: &String| filter.queue.as_ref().is_none_or(|queue| queue == name);
        self.names.iter().filter(move |(_, name)| wanted(name)).map(|(&no, _)| no)
    }

    /// As far as `ids` are concerned.
    pub(super) fn of(live: &Live, ids: &[JobId]) -> Self {
        Self::with(live, ids, ids)
    }

    fn with<'a>(live: &Live, running: impl IntoIterator<Item = &'a JobId>, ids: &[JobId]) -> Self {
        let running = running.into_iter().filter_map(|id| {
            let held = live.held.get(id)?;
            Some((*id, (held.attempt(), held.entry.ticket.seq)))
        });
        let names = live.queues.iter().map(|(&no, queue)| (no, queue.name.clone())).collect();
        let fresh = ids.iter().filter_map(|id| Some((*id, live.fresh.find(id)?.seq))).collect();
        Self { names, running: running.collect(), fresh, members: Vec::new(), number: live.number }
    }

    /// The row that an id leads to. What memory knew may be older than what is read: a job that moved meanwhile, or
    /// whose commit memory has yet to hear of, is among those with later numbers.
    pub(super) fn row(
        &self,
        conn: &Connection,
        buckets: &Buckets,
        id: &JobId,
    ) -> rusqlite::Result<Option<i64>> {
        let known = match self.fresh.get(id) {
            Some(&seq) => Some(seq),
            None => buckets.find(conn, id)?.map(|found| found.seq),
        };
        if let Some(seq) = known
            && conn.prepare_cached(sql::IS_HERE)?.query_row([seq], |row| row.get(0))?
        {
            return Ok(known);
        }
        for table in TABLES {
            let sql = sql::newest_of(table.name());
            let seq = conn.prepare_cached(&sql)?.query_row(params![self.number, &id.0], |row| row.get(0));
            if let Some(seq) = seq.optional()? {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    fn running_attempt(&self, job: &Ticket) -> Option<u32> {
        let &(attempt, seq) = self.running.get(&job.id)?;
        (seq == job.seq && job.state == State::Available).then_some(attempt)
    }

    pub(super) fn name(&self, no: i64) -> String {
        self.names.get(&no).cloned().unwrap_or_default()
    }

    pub(super) fn complete(&self, ticket: &Ticket, job: &mut Job) {
        if let Some(attempt) = self.running_attempt(ticket) {
            (job.state, job.attempt) = (State::Running, attempt);
        }
    }
}

pub(super) const TABLES: [Table; 3] = [Table::Job, Table::Dead, Table::Done];

/// Reads jobs whole.
pub(super) fn get(conn: &Connection, view: &View, ids: &[JobId]) -> rusqlite::Result<Vec<Option<Job>>> {
    let buckets = Buckets::load(conn)?;
    ids.iter().map(|id| get_one(conn, view, &buckets, id)).collect()
}

fn get_one(conn: &Connection, view: &View, buckets: &Buckets, id: &JobId) -> rusqlite::Result<Option<Job>> {
    let Some(seq) = view.row(conn, buckets, id)? else { return Ok(None) };
    for table in TABLES {
        let sql = format!("SELECT {TICKET}, {CONTENTS} FROM {} WHERE seq = ?1", table.name());
        let found =
            conn.prepare_cached(&sql)?.query_row([seq], |row| whole(row, |no| view.name(no))).optional()?;
        if let Some((ticket, mut job, _)) = found {
            fill(conn, &ticket, &mut job)?;
            view.complete(&ticket, &mut job);
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// Asks where jobs are.
pub(super) fn status(conn: &Connection, view: &View, ids: &[JobId]) -> rusqlite::Result<Vec<Status>> {
    let buckets = Buckets::load(conn)?;
    ids.iter().map(|id| status_one(conn, view, &buckets, id)).collect()
}

fn status_one(conn: &Connection, view: &View, buckets: &Buckets, id: &JobId) -> rusqlite::Result<Status> {
    let unknown = Status { state: None, attempt: 0 };
    let Some(seq) = view.row(conn, buckets, id)? else { return Ok(unknown) };
    for table in TABLES {
        let sql = format!("SELECT {TICKET} FROM {} WHERE seq = ?1", table.name());
        if let Some(job) = conn.prepare_cached(&sql)?.query_row([seq], Ticket::read).optional()? {
            return Ok(match view.running_attempt(&job) {
                Some(attempt) => Status { state: Some(State::Running), attempt },
                None => Status { state: Some(job.state), attempt: job.attempt },
            });
        }
    }
    Ok(unknown)
}
