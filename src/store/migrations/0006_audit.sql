-- 0006_audit

PRAGMA user_version = 6;
