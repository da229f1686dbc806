//! Who is in a group, and in which order: the unfinished jobs, those in memory and those on disk together.

use super::fresh::{Changes, Fresh};
use super::read::View;
use super::search::{ROWS_MAX, Way};
use super::sql;
use crate::backend::Filter;
use crate::job::GroupKey;
use rusqlite::{Connection, OptionalExtension, params};

/// A look at the members of groups, in a transaction as of what it has changed so far.
#[derive(Debug)]
pub(super) struct Members<'a> {
    pub(super) conn: &'a Connection,
    pub(super) fresh: &'a Fresh,
    pub(super) staged: Option<&'a Changes>,
}

impl Members<'_> {
    /// The first unfinished jobs of a group before the number `before`, in order, at most `count`.
    pub(super) fn first(
        &self,
        queue: i64,
        group: GroupKey,
        before: i64,
        count: u32,
    ) -> rusqlite::Result<Vec<i64>> {
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let stays =
            |seq: &i64| !self.staged.is_some_and(|staged| staged.left.contains(&(queue, group, *seq)));
        let mut first: Vec<i64> = self.fresh.members(queue, group, before).filter(stays).take(most).collect();
        if let Some(staged) = self.staged {
            let range = (queue, group, i64::MIN)..(queue, group, before);
            first.extend(staged.joined.range(range).map(|&(.., seq)| seq).take(most));
        }
        if self.fresh.has_grouped() || self.staged.is_some_and(|staged| staged.grouped > 0) {
            let mut select = self.conn.prepare_cached(sql::FIRST_MEMBERS)?;
            let rows = select.query_map(params![queue, &group.0, before, count], |row| row.get(0))?;
            first.extend(rows.collect::<Result<Vec<i64>, _>>()?);
        }
        // One that was there before the file was opened may be known twice.
        first.sort_unstable();
        first.dedup();
        first.truncate(most);
        Ok(first)
    }

    /// The next group of a queue behind `after`.
    pub(super) fn next_group(
        &self,
        queue: i64,
        after: Option<GroupKey>,
    ) -> rusqlite::Result<Option<GroupKey>> {
        let mut select = self.conn.prepare_cached(sql::NEXT_GROUP)?;
        let behind = after.as_ref().map_or(&[][..], |group| &group.0[..]);
        let disk: Option<[u8; 16]> = select.query_row(params![queue, behind], |row| row.get(0)).optional()?;
        let staged = self.staged.into_iter().flat_map(|staged| &staged.joined);
        let staged =
            staged.filter(|(no, group, _)| *no == queue && Some(*group) > after).map(|&(_, group, _)| group);
        Ok(disk.map(GroupKey).into_iter().chain(self.fresh.next_group(queue, after)).chain(staged).min())
    }
}

/// The unfinished jobs of a group in the queues that `filter` names, for a search.
pub(super) fn candidates(
    conn: &Connection,
    view: &View,
    filter: &Filter,
    group: GroupKey,
    way: Way,
) -> rusqlite::Result<Vec<i64>> {
    let (range, order) = way.sql();
    let sql = format!(
        "SELECT seq FROM member WHERE queue = ?1 AND grp = ?2 AND {range} ORDER BY seq {order} LIMIT ?3"
    );
    let rows_max = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
    let mut select = conn.prepare(&sql)?;
    // Those of commits that memory had not heard of.
    let mut newest =
        conn.prepare("SELECT seq FROM job WHERE seq > ?1 AND queue = ?2 AND grp = ?3 LIMIT ?4")?;
    let mut found = view.members.clone();
    for queue in view.queues(filter) {
        let rows = select.query_map(params![queue, &group.0, rows_max], |row| row.get(0))?;
        found.extend(rows.collect::<Result<Vec<i64>, _>>()?);
        let rows = newest.query_map(params![view.number, queue, &group.0, rows_max], |row| row.get(0))?;
        found.extend(rows.collect::<Result<Vec<i64>, _>>()?);
    }
    Ok(way.order(found))
}
