CREATE TABLE task (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT UNIQUE,
    outcome TEXT NOT NULL CHECK (outcome IN ('sending', 'accepted', 'refused', 'unknown')),
    base_url TEXT NOT NULL,
    source TEXT,
    prompt TEXT, video_url TEXT, watermark TEXT, callback_url TEXT,
    digest TEXT, idempotency_key TEXT, process INTEGER,
    submitted_at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'unknown', success_flag INTEGER,
    create_time REAL, complete_time REAL,
    result_urls TEXT NOT NULL DEFAULT '[]', origin_urls TEXT NOT NULL DEFAULT '[]',
    error_code TEXT, error_message TEXT, warnings TEXT NOT NULL DEFAULT '[]',
    raw TEXT
);
CREATE INDEX task_submitted ON task (submitted_at);
CREATE INDEX task_digest ON task (digest) WHERE outcome IN ('sending', 'unknown');
CREATE INDEX task_key ON task (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX task_unfinished ON task (state) WHERE state IN ('generating', 'unknown');
CREATE TABLE file (
    number INTEGER NOT NULL REFERENCES task (number) ON DELETE CASCADE,
    url TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, saved_at REAL NOT NULL,
    PRIMARY KEY (number, path)
);
