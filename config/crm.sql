-- The database that complete.toml's source `erp` reads:  sqlite3 crm.db < crm.sql
CREATE TABLE contacts (
  id         INTEGER PRIMARY KEY,
  email      TEXT NOT NULL,
  company_id INTEGER NOT NULL,
  region     TEXT NOT NULL
);
-- Each log-in asks for one email, so the column has an index.
CREATE INDEX contacts_email ON contacts (email);

INSERT INTO contacts (email, company_id, region) VALUES
  ('eva@thirdfirm.example', 63, 'EU'),
  ('max@thirdfirm.example', 63, 'US');
