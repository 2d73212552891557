-- By which ways a session's person came; what ties it to OpenID providers; passkeys; what is used once.

ALTER TABLE session ADD COLUMN proofs TEXT NOT NULL DEFAULT '[]';
-- Whoever is logged in came by mail: there was no other way.
UPDATE session SET proofs = '[{"way":"email","at":' || created || '}]';
CREATE INDEX session_by_email ON session (email);

-- Whether it was asked by a browser with which the person had logged in before. What waits is looked up app by app, newest first.
ALTER TABLE attempt ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
DROP INDEX attempt_unanswered;
CREATE INDEX attempt_unanswered ON attempt (app, known, id) WHERE state = 'asked';

-- `tokens` is sealed: it holds an ID token and perhaps a refresh token.
CREATE TABLE link (
    session BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE ON UPDATE CASCADE,
    provider TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    sid TEXT,
    groups TEXT NOT NULL,
    next_check INTEGER,
    tokens BLOB NOT NULL,
    PRIMARY KEY (session, provider)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_by_subject ON link (issuer, subject);
CREATE INDEX link_by_sid ON link (issuer, sid);

-- Under which id a session goes on that was given a new one just now: whatever was under way for the old id, an end most of
-- all, still finds it.
CREATE TABLE moved (
    old BLOB NOT NULL PRIMARY KEY CHECK (length(old) = 32),
    new BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX moved_by_new ON moved (new);
CREATE INDEX moved_by_until ON moved (until);

-- Who is who at which provider. Some providers give every client other subjects (OpenID Connect Core, section 8.1).
CREATE TABLE identity (
    issuer TEXT NOT NULL,
    client TEXT NOT NULL,
    subject TEXT NOT NULL,
    email TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (issuer, client, subject),
    UNIQUE (issuer, client, email)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_by_email ON identity (email);

-- What was found out on the hub and waits for its domain. `payload` is sealed.
CREATE TABLE ticket (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    host TEXT NOT NULL,
    browser BLOB NOT NULL CHECK (length(browser) = 32),
    payload BLOB NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_by_expires ON ticket (expires);

-- What was used and may not be used again: log-in states, log-out tokens, challenges.
CREATE TABLE spent (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_by_until ON spent (until);

CREATE TABLE passkey (
    credential BLOB NOT NULL,
    host TEXT NOT NULL,
    app TEXT NOT NULL,
    email TEXT NOT NULL,
    handle BLOB NOT NULL CHECK (length(handle) = 16),
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    last_used INTEGER,
    PRIMARY KEY (host, credential)
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_by_person ON passkey (host, email, created);

PRAGMA user_version = 2;
