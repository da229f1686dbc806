//! What every test needs: a store on a clock that it moves, and things to put into it.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use steadfast_core::conversation::{ConversationId, Draft, DraftLine, total_of};
use steadfast_core::decision::{Change, Decision, FollowUp, StepKey};
use steadfast_core::message::{AccountSid, Content, InboundMessage, MessageSid, StatusCallback};
use steadfast_core::money::{Currency, Money};
use steadfast_core::order::{NewOrder, OrderId};
use steadfast_core::outbox::{NewReply, OutboxId};
use steadfast_core::ports::Records;
use steadfast_core::{Address, Clock, ManualClock};
use steadfast_records::{RecordsOptions, SqliteRecords};
use tempfile::TempDir;

/// When these tests begin: 2026-01-01.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// A text that must show nowhere.
pub(crate) const SECRET_TEXT: &str = "the quick brown fox";

/// A store under test and its clock.
pub(crate) struct Bench {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) clock: Arc<ManualClock>,
    /// Whatever must live as long as the store.
    pub(crate) _keep: Box<dyn Any + Send + Sync>,
}

/// A SQLite store in a folder of its own.
pub(crate) struct Sqlite {
    pub(crate) records: Arc<SqliteRecords>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut RecordsOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(START_MS);
        let mut options = RecordsOptions::at(path_in(folder.path()));
        change(&mut options);
        let records = SqliteRecords::open(options, clock.clone()).expect("opens");
        Self { records, clock, folder }
    }

    pub(crate) fn bench() -> Bench {
        let Self { records, clock, folder } = Self::new();
        Bench { records, clock, _keep: Box::new(folder) }
    }

    /// A look into the file, past the store.
    pub(crate) fn look(&self) -> rusqlite::Connection {
        look(self.folder.path())
    }
}

pub(crate) fn path_in(folder: &Path) -> std::path::PathBuf {
    folder.join("records.db")
}

pub(crate) fn look(folder: &Path) -> rusqlite::Connection {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    rusqlite::Connection::open_with_flags(path_in(folder), flags).expect("readable")
}

pub(crate) fn number(conn: &rusqlite::Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).expect("a number")
}

pub(crate) fn account() -> AccountSid {
    AccountSid::parse("AC00000000000000000000000000000000").expect("valid")
}

pub(crate) fn sid(number: u64) -> MessageSid {
    MessageSid::parse(format!("SM{number:032x}")).expect("valid")
}

pub(crate) fn ours() -> Address {
    Address::parse("whatsapp:+14155238886").expect("valid")
}

pub(crate) fn theirs() -> Address {
    Address::parse("whatsapp:+9779812345678").expect("valid")
}

pub(crate) fn conversation() -> ConversationId {
    ConversationId::between(&account(), &ours(), &theirs())
}

pub(crate) fn message(number: u64, received_ms: i64) -> InboundMessage {
    InboundMessage {
        sid: sid(number),
        account: account(),
        from: theirs(),
        to: ours(),
        body: SECRET_TEXT.to_owned(),
        content: Content::Location {
            latitude: 100.0 / 3.0,
            longitude: 0.1 + 0.2,
            address: Some("Durbar Marg".to_owned()),
            label: None,
        },
        profile_name: Some("Test User".to_owned()),
        external_user_id: None,
        received_ms,
        in_reply_to: None,
        extra: vec![("SomeNewField".to_owned(), "x".to_owned())],
    }
}

pub(crate) fn received(number: u64, received_ms: i64) -> Change {
    Change::RecordInbound {
        message: Box::new(message(number, received_ms)),
        conversation: conversation(),
        correlation_id: format!("{number:032x}"),
    }
}

/// The reply to message `number`.
pub(crate) fn reply(number: u64) -> NewReply {
    NewReply {
        id: OutboxId::derived(&conversation(), &sid(number), "answer", 0),
        conversation: conversation(),
        in_reply_to: sid(number),
        account: account(),
        from: ours(),
        to: theirs(),
        body: format!("you said {SECRET_TEXT}"),
    }
}

pub(crate) fn line(sku: &str, quantity: u32, minor: i64) -> DraftLine {
    let unit_price = Money::new(minor, Currency::NPR);
    DraftLine { sku: sku.to_owned(), name: format!("Product {sku}"), quantity, unit_price }
}

pub(crate) fn draft(version: u32) -> Draft {
    Draft {
        id: "draft".to_owned(),
        version,
        lines: vec![line("1", 2, 12_000), line("3", 1, 20_000)],
        address: Some("Durbar Marg 5".to_owned()),
        expires_ms: START_MS + 1_800_000,
    }
}

/// The order that confirming `draft` places.
pub(crate) fn order(draft: &Draft, placed_ms: i64) -> NewOrder {
    let id = OrderId::derived(&conversation(), &draft.id, draft.version);
    NewOrder {
        number: id.number(),
        id,
        conversation: conversation(),
        lines: draft.lines.clone(),
        total: total_of(&draft.lines).expect("small").expect("lines"),
        address: draft.address.clone(),
        placed_ms,
    }
}

pub(crate) fn place(draft: &Draft) -> Change {
    Change::PlaceOrder { order: Box::new(order(draft, START_MS)) }
}

pub(crate) fn step(name: &str) -> StepKey {
    StepKey::new("00000000000000000000000000000001", name)
}

/// A decision that records message `number`, answers it and hands the answer on.
pub(crate) fn answering(number: u64) -> Decision {
    let reply = reply(number);
    Decision {
        changes: vec![received(number, START_MS)],
        follow_ups: vec![FollowUp {
            step: "reply/0".to_owned(),
            queue: steadfast_core::queues::REPLIES.to_owned(),
            kind: steadfast_core::queues::KIND_REPLY.to_owned(),
            payload: format!(r#"{{"outbox":"{}"}}"#, reply.id.as_str()),
            grouped: true,
            delay_ms: 0,
        }],
        outbox: vec![reply],
    }
}

pub(crate) fn changing(changes: Vec<Change>) -> Decision {
    Decision { changes, ..Decision::default() }
}

/// A callback for `sid`; `reply` is what its URL named.
pub(crate) fn callback(sid: &MessageSid, status: &str, reply: Option<&NewReply>) -> StatusCallback {
    StatusCallback {
        sid: sid.clone(),
        account: account(),
        status: status.to_owned(),
        error_code: None,
        outbox_id: reply.map(|reply| reply.id.clone()),
        received_ms: START_MS + 1_000,
    }
}

impl Bench {
    /// Applies `decision` under a step named `name`, on whatever version.
    pub(crate) async fn apply(&self, name: &str, decision: Decision) {
        let applied = self.records.apply(&step(name), None, decision).await.expect("applies");
        assert!(applied.fresh, "{name} was applied before");
    }

    /// Puts the reply to message `number` into the outbox.
    pub(crate) async fn queue_reply(&self, number: u64) -> NewReply {
        self.apply(&format!("answer/{number}"), answering(number)).await;
        reply(number)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
