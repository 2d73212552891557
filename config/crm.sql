-- The database that complete.toml's source `erp` reads:  sqlite3 crm.db < crm.sql
CREATE TABLE contacts (
  id         INTEGER PRIMARY KEY,
  email      TEXT NOT NULL,
  company_id INTEGER NOT NULL,
  region     TEXT NOT NULL
);
-- Vestibule asks for one address at a time, in whatever case the table has it: hence the index, and its NOCASE.
CREATE INDEX contacts_email ON contacts (email COLLATE NOCASE);

INSERT INTO contacts (email, company_id, region) VALUES
  ('eva@thirdfirm.example', 63, 'EU'),
  ('max@thirdfirm.example', 63, 'US');

-- The domains that customers brought, each with its look.
CREATE TABLE domains (
  host       TEXT PRIMARY KEY,
  company_id INTEGER NOT NULL,
  title      TEXT,
  color      TEXT,
  logo       TEXT,
  active     BOOLEAN NOT NULL DEFAULT 1
);
INSERT INTO domains (host, company_id, title, color, logo) VALUES
  ('portal.bigcustomer.example', 42, 'BigCustomer', '#aa0000', 'big.svg'),
  ('orders.smallfirm.example', 57, NULL, NULL, NULL);
