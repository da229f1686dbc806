//! Orders: placed once, moved by the state machine, never changed otherwise.

use crate::failure::{Failure, count, inconsistent, unreadable};
use rusqlite::{Connection, OptionalExtension, Row, params};
use steadfast_core::conversation::{ConversationId, DraftLine, total_of};
use steadfast_core::money::{Currency, Money};
use steadfast_core::order::{NewOrder, Order, OrderId, OrderState};
use steadfast_core::ports::RecordsError;

/// Places `order` unless it is placed already. Says whether it is new.
pub(crate) fn place(tx: &Connection, order: &NewOrder) -> Result<bool, Failure> {
    let placed = tx.prepare_cached("SELECT 1 FROM orders WHERE id = ?1")?.exists([order.id.as_str()])?;
    if placed {
        return Ok(false);
    }
    if total_of(&order.lines).ok().flatten() != Some(order.total) {
        return Err(inconsistent(format!("the total of order {} is not the sum of its lines", order.number)));
    }
    tx.prepare_cached(
        "INSERT INTO orders (id, number, conversation, state, total_minor, currency, address, version,
             placed_ms, changed_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8)",
    )?
    .execute(params![
        order.id.as_str(),
        order.number,
        order.conversation.as_str(),
        OrderState::Placed.as_str(),
        order.total.minor,
        order.total.currency.code(),
        order.address,
        order.placed_ms
    ])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO order_items (order_id, line, sku, name, quantity, unit_minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (number, line) in (1_u32..).zip(&order.lines) {
        insert.execute(params![
            order.id.as_str(),
            number,
            line.sku,
            line.name,
            line.quantity,
            line.unit_price.minor
        ])?;
    }
    let event = Event { version: 1, from: None, to: OrderState::Placed, by: "customer", reason: "" };
    event.add(tx, &order.id, order.placed_ms)?;
    Ok(true)
}

/// Moves the order along `from` and `to`, and gives its number.
pub(crate) fn advance(
    tx: &Connection,
    id: &OrderId,
    (from, to): (OrderState, OrderState),
    by: &str,
    reason: &str,
    now_ms: i64,
) -> Result<String, Failure> {
    let row = tx
        .prepare_cached("SELECT state, version, number FROM orders WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    let Some((state, version, number)) = row else {
        return Err(inconsistent("an order that does not exist cannot be moved"));
    };
    if state != from.as_str() {
        return Err(RecordsError::Conflict.into());
    }
    if !from.may_become(to) {
        let (from, to) = (from.as_str(), to.as_str());
        return Err(inconsistent(format!("order {number} may not go from {from} to {to}")));
    }
    let version = version + 1;
    tx.prepare_cached("UPDATE orders SET state = ?2, version = ?3, changed_ms = ?4 WHERE id = ?1")?
        .execute(params![id.as_str(), to.as_str(), version, now_ms])?;
    Event { version, from: Some(from), to, by, reason }.add(tx, id, now_ms)?;
    Ok(number)
}

struct Event<'a> {
    version: i64,
    from: Option<OrderState>,
    to: OrderState,
    by: &'a str,
    reason: &'a str,
}

impl Event<'_> {
    fn add(&self, tx: &Connection, id: &OrderId, at_ms: i64) -> Result<(), Failure> {
        tx.prepare_cached(
            "INSERT INTO order_events (order_id, version, at_ms, from_state, to_state, by, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id.as_str(),
            self.version,
            at_ms,
            self.from.map(OrderState::as_str),
            self.to.as_str(),
            self.by,
            self.reason
        ])?;
        Ok(())
    }
}

/// The conversation's orders, newest first.
pub(crate) fn of_conversation(
    conn: &Connection,
    conversation: &ConversationId,
    limit: u32,
) -> Result<Vec<Order>, Failure> {
    let mut statement = conn.prepare_cached(
        "SELECT id, number, state, total_minor, currency, address, version, placed_ms, changed_ms
         FROM orders WHERE conversation = ?1 ORDER BY placed_ms DESC, rowid DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![conversation.as_str(), limit])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        orders.push(read(conn, conversation, row)?);
    }
    Ok(orders)
}

fn read(conn: &Connection, conversation: &ConversationId, row: &Row<'_>) -> Result<Order, Failure> {
    let id = OrderId::from_stored(row.get::<_, String>(0)?);
    let state: String = row.get(2)?;
    let state = OrderState::parse(&state).ok_or_else(|| inconsistent(format!("order state {state:?}")))?;
    let currency: String = row.get(4)?;
    let currency = Currency::parse(&currency).map_err(|error| unreadable("currency", error))?;
    let placed = NewOrder {
        number: row.get(1)?,
        conversation: conversation.clone(),
        lines: lines(conn, &id, currency)?,
        total: Money::new(row.get(3)?, currency),
        address: row.get(5)?,
        placed_ms: row.get(7)?,
        id,
    };
    Ok(Order { placed, state, version: count(row.get(6)?)?, changed_ms: row.get(8)? })
}

fn lines(conn: &Connection, id: &OrderId, currency: Currency) -> Result<Vec<DraftLine>, Failure> {
    let mut statement = conn.prepare_cached(
        "SELECT sku, name, quantity, unit_minor FROM order_items WHERE order_id = ?1 ORDER BY line",
    )?;
    let rows = statement.query_map([id.as_str()], |row| {
        Ok(DraftLine {
            sku: row.get(0)?,
            name: row.get(1)?,
            quantity: row.get(2)?,
            unit_price: Money::new(row.get(3)?, currency),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
