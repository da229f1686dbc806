//! Searches. Each looks at no more than so many rows and reads no payload but those it shows. Where an index tells
//! which rows can match, it looks at those alone.

use super::deaths;
use super::groups;
use super::ids::Buckets;
use super::load::whole;
use super::read::{TABLES, View};
use super::stage::fill;
use super::ticket::{TICKET, Table, Ticket};
use super::write::Target;
use crate::backend::{Filter, rules};
use crate::job::Job;
use crate::state::State;
use rusqlite::{Connection, OptionalExtension, Row, Rows, Statement};

/// Rows that one call looks at, at most: a search for something rare comes back with less than a page, and
/// with where to go on.
const SCAN_MAX: usize = 20_000;
/// As many rows as one call can use: one more tells that there is a next page.
pub(super) const ROWS_MAX: usize = SCAN_MAX + 1;

/// A search's way through the rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Newest first, from before this row.
    Down(i64),
    /// Oldest first, from after the first up to the second.
    Up(i64, i64),
}

impl Way {
    fn contains(self, seq: i64) -> bool {
        match self {
            Self::Down(before) => seq < before,
            Self::Up(after, to) => seq > after && seq <= to,
        }
    }

    /// The condition, and the order, for a statement.
    pub(super) fn sql(self) -> (String, &'static str) {
        match self {
            Self::Down(before) => (format!("seq < {before}"), "DESC"),
            Self::Up(after, to) => (format!("seq > {after} AND seq <= {to}"), "ASC"),
        }
    }

    /// Puts rows into its order, and leaves out those beside it and behind what one call looks at.
    pub(super) fn order(self, mut rows: Vec<i64>) -> Vec<i64> {
        rows.retain(|&seq| self.contains(seq));
        rows.sort_unstable();
        rows.dedup();
        if matches!(self, Self::Down(_)) {
            rows.reverse();
        }
        rows.truncate(ROWS_MAX);
        rows
    }
}

/// What a search found, and the row it came to, unless it came to the end.
#[derive(Debug)]
pub(super) struct Hits<T> {
    pub(super) hits: Vec<T>,
    pub(super) next: Option<i64>,
}

/// Reads a page of jobs.
pub(super) fn list(
    conn: &Connection,
    view: &View,
    filter: &Filter,
    before: i64,
    limit: usize,
) -> rusqlite::Result<Hits<Job>> {
    let found = scan(conn, view, (filter, |_| true), Way::Down(before), limit)?;
    let hits = found.hits.into_iter().map(|(table, ticket, mut job)| {
        let sql = format!("SELECT payload FROM {} WHERE seq = ?1", table.name());
        let payload: Vec<u8> = conn.prepare_cached(&sql)?.query_row([ticket.seq], |row| row.get(0))?;
        job.payload = payload.into();
        fill(conn, &ticket, &mut job)?;
        Ok(job)
    });
    Ok(Hits { hits: hits.collect::<rusqlite::Result<_>>()?, next: found.next })
}

/// Finds jobs to remove: what runs is left out.
pub(super) fn targets(
    conn: &Connection,
    view: &View,
    filter: &Filter,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Hits<Target>> {
    // One that is left out takes nobody's place: what is found in one step is removed whatever becomes of it meanwhile.
    let waits = |job: &Job| job.state != State::Running;
    let found = scan(conn, view, (filter, waits), Way::Up(after, view.number), limit)?;
    let hits = found.hits.into_iter().map(|(table, ticket, _)| Target {
        table,
        seq: ticket.seq,
        state: ticket.state,
    });
    Ok(Hits { hits: hits.collect(), next: found.next })
}

/// The rows of a table that can match, where that is known without looking at all of them: in the way's order, and as
/// many as one call looks at.
fn candidates(
    conn: &Connection,
    view: &View,
    filter: &Filter,
    table: Table,
    way: Way,
) -> rusqlite::Result<Option<Vec<i64>>> {
    if !filter.ids.is_empty() {
        let buckets = Buckets::load(conn)?;
        let found = filter.ids.iter().map(|id| view.row(conn, &buckets, id));
        let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
        return Ok(Some(way.order(found.into_iter().flatten().collect())));
    }
    if filter.states == [State::Running] {
        return Ok(Some(way.order(view.running.values().map(|&(_, seq)| seq).collect())));
    }
    match table {
        Table::Dead => deaths::candidates(conn, view, filter, way),
        Table::Job => match filter.group {
            Some(group) => groups::candidates(conn, view, filter, group, way).map(Some),
            None => Ok(None),
        },
        Table::Done => Ok(None),
    }
}

fn scan(
    conn: &Connection,
    view: &View,
    (filter, also): (&Filter, fn(&Job) -> bool),
    way: Way,
    limit: usize,
) -> rusqlite::Result<Hits<(Table, Ticket, Job)>> {
    let wanted =
        |table: &Table| filter.states.is_empty() || filter.states.iter().any(|&s| Table::of(s) == *table);
    let (range, order) = way.sql();
    let mut statements = Vec::new();
    for table in TABLES.into_iter().filter(wanted) {
        let known = candidates(conn, view, filter, table, way)?;
        let rows = match known {
            Some(_) => "seq = ?1".to_owned(),
            None => format!("{range} ORDER BY seq {order}"),
        };
        // Without payloads: only what is found is read whole.
        let sql = format!("SELECT {TICKET}, finished, head, history, x'' FROM {} WHERE {rows}", table.name());
        statements.push((table, conn.prepare(&sql)?, known));
    }
    let mut lanes = Vec::new();
    for (table, statement, known) in &mut statements {
        lanes.push(Lane::start(statement, *table, known.take(), view)?);
    }
    let mut hits = Vec::new();
    for scanned in 0_usize.. {
        let next = match way {
            Way::Down(_) => lanes.iter_mut().filter(|lane| lane.head.is_some()).max_by_key(|lane| lane.seq()),
            Way::Up(..) => lanes.iter_mut().filter(|lane| lane.head.is_some()).min_by_key(|lane| lane.seq()),
        };
        let Some(lane) = next else { break };
        if hits.len() >= limit || scanned >= SCAN_MAX {
            // The next page begins with this row.
            let seq = lane.seq();
            return Ok(Hits {
                hits,
                next: Some(if matches!(way, Way::Down(_)) { seq + 1 } else { seq - 1 }),
            });
        }
        if let Some((ticket, job)) = lane.step(view)?
            && rules::matches(filter, &job)
            && also(&job)
        {
            hits.push((lane.table, ticket, job));
        }
    }
    Ok(Hits { hits, next: None })
}

/// One table's rows in order.
struct Lane<'s, 'c> {
    source: Source<'s, 'c>,
    table: Table,
    head: Option<(Ticket, Job)>,
}

enum Source<'s, 'c> {
    /// All of them.
    All(Rows<'s>),
    /// Known ones, by their numbers; those that are not in the table are passed over.
    Known(&'s mut Statement<'c>, std::vec::IntoIter<i64>),
}

fn read(row: &Row<'_>, view: &View) -> rusqlite::Result<(Ticket, Job)> {
    let (ticket, mut job, _) = whole(row, |no| view.name(no))?;
    view.complete(&ticket, &mut job);
    Ok((ticket, job))
}

impl<'s, 'c> Lane<'s, 'c> {
    fn start(
        statement: &'s mut Statement<'c>,
        table: Table,
        known: Option<Vec<i64>>,
        view: &View,
    ) -> rusqlite::Result<Self> {
        let source = match known {
            Some(rows) => Source::Known(statement, rows.into_iter()),
            None => Source::All(statement.query([])?),
        };
        let mut lane = Self { source, table, head: None };
        lane.step(view)?;
        Ok(lane)
    }

    fn seq(&self) -> i64 {
        self.head.as_ref().map_or(0, |(ticket, _)| ticket.seq)
    }

    /// Takes the row at hand and goes to the next.
    fn step(&mut self, view: &View) -> rusqlite::Result<Option<(Ticket, Job)>> {
        let next = match &mut self.source {
            Source::All(rows) => rows.next()?.map(|row| read(row, view)).transpose()?,
            Source::Known(statement, rows) => {
                let mut found = None;
                for seq in rows.by_ref() {
                    found = statement.query_row([seq], |row| read(row, view)).optional()?;
                    if found.is_some() {
                        break;
                    }
                }
                found
            }
        };
        Ok(std::mem::replace(&mut self.head, next))
    }
}
