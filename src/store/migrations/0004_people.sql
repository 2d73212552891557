-- 0004_people

PRAGMA user_version = 4;
