-- 0008_language

PRAGMA user_version = 8;
