-- Which language people are spoken to in.

-- What a person chose for themself, in whichever app.
CREATE TABLE language (
    email TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The language of the page on which a mail was asked for: the mail has it too, unless its person chose another.
ALTER TABLE attempt ADD COLUMN language TEXT NOT NULL DEFAULT 'en';

PRAGMA user_version = 8;
