-- 0005_preview

PRAGMA user_version = 5;
