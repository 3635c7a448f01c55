ALTER TABLE kept_key ADD COLUMN result_urls TEXT NOT NULL DEFAULT '[]';
CREATE INDEX kept_key_task ON kept_key (task_id);
CREATE TABLE kept_file (
    number INTEGER NOT NULL REFERENCES kept_key (number) ON DELETE CASCADE,
    url TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, saved_at REAL NOT NULL,
    delivered_sha256 TEXT, PRIMARY KEY (number, path)
);
