-- 0005_preview: through whose eyes a member of staff looks, and whom they looked at last.

ALTER TABLE session ADD COLUMN preview_email TEXT;
ALTER TABLE session ADD COLUMN preview_customer TEXT;
ALTER TABLE session ADD COLUMN preview_until INTEGER;

-- The last few of each member of staff in each app, for the bar and the page. No customer is the empty text: NULLs are never equal.
CREATE TABLE previewed (
    app TEXT NOT NULL,
    actor TEXT NOT NULL,
    email TEXT NOT NULL,
    customer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (app, actor, email, customer)
) STRICT, WITHOUT ROWID;
CREATE INDEX previewed_by_email ON previewed (email);

PRAGMA user_version = 5;
