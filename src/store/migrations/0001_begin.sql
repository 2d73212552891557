-- The first shape of the store. Moments are microseconds since 1970; what a token opens is kept under the token's hash.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    app TEXT NOT NULL,
    host TEXT NOT NULL,
    email TEXT NOT NULL,
    customer TEXT,
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    device TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_person ON session (app, email, created);
CREATE INDEX session_by_created ON session (created);
CREATE INDEX session_by_last_used ON session (last_used);

-- AUTOINCREMENT, so that a number once given never comes to mean another attempt or mail.
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    host TEXT NOT NULL,
    origin TEXT NOT NULL,
    email TEXT NOT NULL,
    going_to TEXT NOT NULL,
    browser BLOB NOT NULL CHECK (length(browser) = 32),
    link BLOB UNIQUE CHECK (length(link) = 32),
    code BLOB CHECK (length(code) = 32),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'unknown', 'mailed', 'used', 'ended')),
    wrong_codes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX attempt_by_browser ON attempt (browser, id);
CREATE INDEX attempt_unanswered ON attempt (id) WHERE state = 'asked';
CREATE INDEX attempt_by_expires ON attempt (expires);

-- The mail is sealed: it holds a link, a code and an address.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mail BLOB NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    queued INTEGER NOT NULL,
    due INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_due ON outbox (due, id);

CREATE TABLE secret (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- `VSTB`: marks the file as ours.
PRAGMA application_id = 1448301634;
PRAGMA user_version = 1;
