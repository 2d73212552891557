-- What people decide about people's access.

-- One person for one customer of one app. An `own` record lets its person in where no list names them; one that `adjusts` only
-- changes what a list gives. `link` is the hash of what an invitation's link holds. Names, notes and addresses are the customer's
-- own words about their people, as tables have them, and stand here as they do there.
CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL,
    app TEXT NOT NULL,
    customer TEXT NOT NULL,
    email TEXT NOT NULL,
    basis TEXT NOT NULL CHECK (basis IN ('own', 'adjusts')),
    first_name TEXT,
    last_name TEXT,
    role TEXT NOT NULL,
    -- A number, or -1 without limit; nothing leaves it to role or list.
    days_back INTEGER CHECK (days_back >= -1),
    notes TEXT,
    language TEXT,
    state TEXT NOT NULL CHECK (state IN ('invited', 'active', 'suspended')),
    expires INTEGER,
    sent INTEGER,
    link BLOB UNIQUE CHECK (length(link) = 32),
    made_by TEXT NOT NULL CHECK (made_by IN ('staff', 'colleague')),
    -- Nothing once the maker was erased.
    maker TEXT,
    made INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    CHECK ((state = 'invited') = (link IS NOT NULL AND expires IS NOT NULL AND sent IS NOT NULL)),
    UNIQUE (app, email, customer)
) STRICT;
CREATE INDEX record_by_customer ON record (app, customer, id);
CREATE INDEX record_by_person ON record (email);
CREATE INDEX record_by_maker ON record (maker);

-- Customers whose name somebody gave, or that somebody founded.
CREATE TABLE organisation (
    app TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    founder_email TEXT,
    made INTEGER NOT NULL,
    PRIMARY KEY (app, id)
) STRICT, WITHOUT ROWID;

-- How often records changed, so that another process on the same store notices.
CREATE TABLE record_changes (
    count INTEGER NOT NULL
) STRICT;
INSERT INTO record_changes (count) VALUES (0);
CREATE TRIGGER record_added AFTER INSERT ON record BEGIN UPDATE record_changes SET count = count + 1; END;
CREATE TRIGGER record_set AFTER UPDATE ON record BEGIN UPDATE record_changes SET count = count + 1; END;
CREATE TRIGGER record_removed AFTER DELETE ON record BEGIN UPDATE record_changes SET count = count + 1; END;

PRAGMA user_version = 4;
