-- 0007_notify: what the API tells customers' people, whom it goes to and who does not want it; and what customers use.

-- The message is sealed: its link may open something. `key` and `body` are hashes, of the idempotency key and of what came with it.
CREATE TABLE notification (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public TEXT NOT NULL UNIQUE,
    app TEXT NOT NULL,
    customer TEXT,
    topic TEXT NOT NULL,
    message BLOB NOT NULL,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    body BLOB NOT NULL CHECK (length(body) = 32),
    people INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX notification_by_created ON notification (created);

-- One row a person. `mailed` is when its mail was queued, which counts towards the person's day.
CREATE TABLE notified (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    notification INTEGER NOT NULL,
    email TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'queued', 'sent', 'switched-off', 'over-limit', 'gone', 'failed')),
    due INTEGER NOT NULL,
    mailed INTEGER,
    UNIQUE (notification, email)
) STRICT;
CREATE INDEX notified_waiting ON notified (due, id) WHERE state = 'waiting';
CREATE INDEX notified_by_person ON notified (email, mailed) WHERE mailed IS NOT NULL;

-- Topics are on unless they stand here.
CREATE TABLE topic_off (
    app TEXT NOT NULL,
    email TEXT NOT NULL,
    topic TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (app, email, topic)
) STRICT, WITHOUT ROWID;

-- Log-in mail goes before notifications, and a notification's mail is somebody's row above.
ALTER TABLE outbox ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN notified INTEGER;

-- Days are counted from 1970-01-01 in the app's time zone. `who` is a keyed hash of an address.
CREATE TABLE usage_day (
    app TEXT NOT NULL,
    customer TEXT NOT NULL,
    day INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    logins INTEGER NOT NULL,
    PRIMARY KEY (app, customer, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_day_by_day ON usage_day (app, day);

CREATE TABLE usage_page (
    app TEXT NOT NULL,
    customer TEXT NOT NULL,
    day INTEGER NOT NULL,
    page TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (app, customer, day, page)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_page_by_day ON usage_page (app, day);

CREATE TABLE usage_person (
    app TEXT NOT NULL,
    customer TEXT NOT NULL,
    day INTEGER NOT NULL,
    who BLOB NOT NULL CHECK (length(who) = 8),
    PRIMARY KEY (app, customer, day, who)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_person_by_day ON usage_person (app, day);

CREATE TABLE usage_customer (
    app TEXT NOT NULL,
    customer TEXT NOT NULL,
    name TEXT,
    PRIMARY KEY (app, customer)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 7;
