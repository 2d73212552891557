-- Certificates that the gateway orders for itself, and the domains that tables bring.

-- `credentials` is sealed: it holds the account's private key.
CREATE TABLE acme_account (
    directory TEXT NOT NULL PRIMARY KEY,
    credentials BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An order under way. `key` is sealed: it is the private key of the certificate to come.
CREATE TABLE acme_order (
    name TEXT NOT NULL PRIMARY KEY,
    directory TEXT NOT NULL,
    url TEXT NOT NULL,
    key BLOB NOT NULL,
    begun INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `key` is sealed.
CREATE TABLE certificate (
    name TEXT NOT NULL PRIMARY KEY,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    renew_at INTEGER NOT NULL,
    ask_again INTEGER NOT NULL,
    chain TEXT NOT NULL,
    key BLOB NOT NULL
) STRICT;

-- How far each name is on its way to a certificate.
CREATE TABLE progress (
    name TEXT NOT NULL PRIMARY KEY,
    phase TEXT NOT NULL,
    problem TEXT,
    sentence TEXT,
    since INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    next_try INTEGER
) STRICT, WITHOUT ROWID;

-- Domains that tables named, and whose each was proven to be. One that left stays known, so that nobody else has it for the asking.
CREATE TABLE claim (
    host TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    customer TEXT,
    brand TEXT NOT NULL,
    proven INTEGER,
    proven_app TEXT,
    proven_customer TEXT,
    departed INTEGER
) STRICT, WITHOUT ROWID;

-- What operators said: that a domain may serve for somebody else than before. The gateway takes it up and forgets it.
CREATE TABLE approval (
    host TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    customer TEXT
) STRICT, WITHOUT ROWID;

-- What a command beside the gateway asks of it, and what it answers.
CREATE TABLE wish (
    name TEXT NOT NULL PRIMARY KEY,
    wish TEXT NOT NULL,
    asked INTEGER NOT NULL,
    answer TEXT
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 3;
