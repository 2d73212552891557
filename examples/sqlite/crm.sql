-- A small CRM:  sqlite3 crm.db < crm.sql
--
-- Vestibule only reads it. It asks for one address at a time, in whatever case the table has it, so the column needs an index
-- COLLATE NOCASE; without one each log-in reads the whole table.
CREATE TABLE companies (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  plan TEXT NOT NULL CHECK (plan IN ('free', 'paid'))
);

CREATE TABLE contacts (
  id         INTEGER PRIMARY KEY,
  company_id INTEGER NOT NULL REFERENCES companies (id),
  email      TEXT NOT NULL COLLATE NOCASE,
  full_name  TEXT,
  is_active  INTEGER NOT NULL DEFAULT 1,
  is_lead    INTEGER NOT NULL DEFAULT 0,
  UNIQUE (company_id, email)
);
CREATE INDEX contacts_email ON contacts (email COLLATE NOCASE);

-- A customer list reads one table or view, so what it needs is joined here.
CREATE VIEW portal_contacts AS
SELECT contacts.email, contacts.full_name, contacts.is_active, contacts.is_lead,
       companies.id AS company_id, companies.name AS company, companies.plan
FROM contacts JOIN companies ON companies.id = contacts.company_id;

INSERT INTO companies (id, name, plan) VALUES (1, 'Harbor Supplies', 'paid'), (2, 'Mill & Sons', 'free');

INSERT INTO contacts (company_id, email, full_name, is_active, is_lead) VALUES
  (1, 'kim@harbor.example', 'Kim Larsen', 1, 1),
  (1, 'ben@harbor.example', 'Ben Hale',   1, 0),
  (1, 'max@harbor.example', 'Max Roth',   0, 0),
  (2, 'ivo@mill.example',   'Ivo Kral',   1, 1);
