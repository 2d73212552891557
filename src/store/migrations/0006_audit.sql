-- The audit log, and the tokens of the API.

-- Who people in entries are. `address` is sealed, and `found_by` is a keyed hash of it, so that a copy of the database names
-- nobody. An entry outlives the row of its person.
CREATE TABLE person (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    found_by BLOB NOT NULL UNIQUE CHECK (length(found_by) = 32),
    address BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- `hash` goes over all other columns and the hash of the entry before. The newest number and hash, and those of the newest entry
-- that was removed for its age, stand sealed in `meta`.
CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL CHECK (actor IN ('visitor', 'person', 'staff', 'token', 'gateway')),
    actor_person BLOB CHECK (length(actor_person) = 16),
    actor_token TEXT,
    subject BLOB CHECK (length(subject) = 16),
    app TEXT,
    customer TEXT,
    customer_person BLOB CHECK (length(customer_person) = 16),
    client TEXT,
    domain TEXT,
    request TEXT,
    facts TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_by_moment ON audit (at);
CREATE INDEX audit_by_actor ON audit (actor_person) WHERE actor_person IS NOT NULL;
CREATE INDEX audit_by_subject ON audit (subject) WHERE subject IS NOT NULL;
CREATE INDEX audit_by_customer ON audit (customer) WHERE customer IS NOT NULL;
CREATE INDEX audit_by_customer_person ON audit (customer_person) WHERE customer_person IS NOT NULL;

-- Tokens of the API, by the hash of what their holders have.
CREATE TABLE token (
    name TEXT NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes TEXT NOT NULL,
    app TEXT,
    created INTEGER NOT NULL,
    expires INTEGER,
    last_used INTEGER
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 6;
