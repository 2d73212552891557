-- 0007_notify

PRAGMA user_version = 7;
