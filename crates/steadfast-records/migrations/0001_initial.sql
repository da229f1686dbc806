-- Every time is in milliseconds since the Unix epoch, every amount in minor units.
-- Tables with long rows keep their rowid: rows are then written in the order of arrival, and only the
-- narrow key index is visited at random.

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Kept by the triggers at the end, so that a count costs one row and not one scan.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    address          TEXT    NOT NULL PRIMARY KEY,
    profile_name     TEXT,
    external_user_id TEXT,
    first_seen_ms    INTEGER NOT NULL,
    last_seen_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX contacts_by_last_seen ON contacts (last_seen_ms);

CREATE TABLE conversations (
    id              TEXT    NOT NULL PRIMARY KEY,
    account         TEXT,
    ours            TEXT,
    theirs          TEXT,
    version         INTEGER NOT NULL DEFAULT 0,
    draft           TEXT,
    last_inbound_ms INTEGER,
    opted_out       INTEGER NOT NULL DEFAULT 0 CHECK (opted_out IN (0, 1)),
    changed_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX conversations_by_change ON conversations (changed_ms);

-- Inbound messages; what goes out lives in the outbox. `content` is NULL once the texts were cleared.
CREATE TABLE messages (
    sid              TEXT    NOT NULL PRIMARY KEY,
    account          TEXT    NOT NULL,
    conversation     TEXT    NOT NULL,
    sender           TEXT    NOT NULL,
    recipient        TEXT    NOT NULL,
    type             TEXT    NOT NULL,
    body             TEXT    NOT NULL,
    content          TEXT,
    profile_name     TEXT,
    external_user_id TEXT,
    in_reply_to      TEXT,
    extra            TEXT    NOT NULL,
    correlation_id   TEXT    NOT NULL,
    received_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_by_time ON messages (received_ms, sid);
CREATE INDEX messages_with_text ON messages (received_ms) WHERE content IS NOT NULL;

-- Append-only. What happens to a reply stands under the message it answers and names its outbox entry.
CREATE TABLE message_events (
    id        INTEGER NOT NULL PRIMARY KEY,
    sid       TEXT    NOT NULL,
    outbox_id TEXT,
    at_ms     INTEGER NOT NULL,
    stage     TEXT    NOT NULL,
    detail    TEXT    NOT NULL
) STRICT;
CREATE INDEX message_events_of_message ON message_events (sid);
CREATE INDEX message_events_of_reply ON message_events (outbox_id) WHERE outbox_id IS NOT NULL;

CREATE TABLE products (
    sku         TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE,
    position    INTEGER NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE product_aliases (
    sku      TEXT    NOT NULL COLLATE NOCASE REFERENCES products (sku) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    alias    TEXT    NOT NULL,
    PRIMARY KEY (sku, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    id           TEXT    NOT NULL PRIMARY KEY,
    number       TEXT    NOT NULL,
    conversation TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    total_minor  INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    address      TEXT,
    version      INTEGER NOT NULL,
    placed_ms    INTEGER NOT NULL,
    changed_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_of_conversation ON orders (conversation, placed_ms);
CREATE INDEX orders_finished ON orders (changed_ms) WHERE state IN ('delivered', 'cancelled', 'failed');

CREATE TABLE order_items (
    order_id   TEXT    NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    line       INTEGER NOT NULL,
    sku        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    unit_minor INTEGER NOT NULL,
    PRIMARY KEY (order_id, line)
) STRICT, WITHOUT ROWID;

-- Append-only; `version` is the order's version after the event.
CREATE TABLE order_events (
    order_id   TEXT    NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    from_state TEXT,
    to_state   TEXT    NOT NULL,
    by         TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (order_id, version)
) STRICT, WITHOUT ROWID;

-- `body` is NULL once the text was cleared, which happens to settled entries only.
CREATE TABLE outbox (
    id             TEXT    NOT NULL PRIMARY KEY,
    conversation   TEXT    NOT NULL,
    in_reply_to    TEXT    NOT NULL,
    account        TEXT    NOT NULL,
    sender         TEXT    NOT NULL,
    recipient      TEXT    NOT NULL,
    body           TEXT,
    state          TEXT    NOT NULL,
    sid            TEXT,
    delivery       TEXT,
    error_code     INTEGER,
    reason         TEXT,
    claim_from_ms  INTEGER,
    claim_until_ms INTEGER,
    first_try_ms   INTEGER,
    absent_reads   INTEGER NOT NULL DEFAULT 0,
    lost_claims    INTEGER NOT NULL DEFAULT 0,
    created_ms     INTEGER NOT NULL,
    changed_ms     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_by_sid ON outbox (sid) WHERE sid IS NOT NULL;
CREATE INDEX outbox_by_time ON outbox (created_ms, id);
CREATE INDEX outbox_in_trouble ON outbox (changed_ms) WHERE state IN ('ambiguous', 'failed');
CREATE INDEX outbox_claimed ON outbox (id) WHERE state = 'sending';
CREATE INDEX outbox_with_text ON outbox (created_ms)
    WHERE body IS NOT NULL AND state IN ('sent', 'failed', 'suppressed');

-- Callbacks for messages whose sid no entry has yet: the answer to the send may come after them.
CREATE TABLE status_callbacks (
    sid         TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    error_code  INTEGER,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (sid, status)
) STRICT, WITHOUT ROWID;
CREATE INDEX status_callbacks_by_time ON status_callbacks (received_ms);

CREATE TABLE reality_checks (
    sid            TEXT    NOT NULL PRIMARY KEY,
    score          INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
    class          TEXT    NOT NULL,
    confidence_pct INTEGER NOT NULL CHECK (confidence_pct BETWEEN 0 AND 100),
    reasons        TEXT,
    checked_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX reality_checks_with_text ON reality_checks (checked_ms) WHERE reasons IS NOT NULL;

-- `decision` is NULL once its texts were due to go: the step still counts as done.
CREATE TABLE step_ledger (
    step_key   TEXT    NOT NULL PRIMARY KEY,
    decision   TEXT,
    applied_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX step_ledger_with_text ON step_ledger (applied_ms) WHERE decision IS NOT NULL;

CREATE TRIGGER count_message_in AFTER INSERT ON messages BEGIN
    INSERT INTO counters (name, value) VALUES ('messages', 1)
        ON CONFLICT (name) DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER count_message_out AFTER DELETE ON messages BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'messages';
END;

CREATE TRIGGER count_order_in AFTER INSERT ON orders BEGIN
    INSERT INTO counters (name, value) VALUES ('orders.' || new.state, 1)
        ON CONFLICT (name) DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER count_order_move AFTER UPDATE OF state ON orders WHEN old.state <> new.state BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'orders.' || old.state;
    INSERT INTO counters (name, value) VALUES ('orders.' || new.state, 1)
        ON CONFLICT (name) DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER count_order_out AFTER DELETE ON orders BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'orders.' || old.state;
END;

CREATE TRIGGER count_reply_in AFTER INSERT ON outbox BEGIN
    INSERT INTO counters (name, value) VALUES ('outbox.' || new.state, 1)
        ON CONFLICT (name) DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER count_reply_move AFTER UPDATE OF state ON outbox WHEN old.state <> new.state BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'outbox.' || old.state;
    INSERT INTO counters (name, value) VALUES ('outbox.' || new.state, 1)
        ON CONFLICT (name) DO UPDATE SET value = value + 1;
END;
CREATE TRIGGER count_reply_out AFTER DELETE ON outbox BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'outbox.' || old.state;
END;
