ALTER TABLE task ADD COLUMN model TEXT NOT NULL DEFAULT 'luma';
ALTER TABLE task ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
ALTER TABLE task ADD COLUMN account TEXT;
ALTER TABLE task ADD COLUMN identity TEXT;
ALTER TABLE task ADD COLUMN take INTEGER;
ALTER TABLE task ADD COLUMN trim TEXT;
ALTER TABLE task ADD COLUMN fit TEXT;
ALTER TABLE task ADD COLUMN audio TEXT;
ALTER TABLE task ADD COLUMN match INTEGER;
ALTER TABLE task ADD COLUMN seconds REAL;
ALTER TABLE task ADD COLUMN source_sha256 TEXT;
ALTER TABLE task ADD COLUMN source_bytes INTEGER;
ALTER TABLE task ADD COLUMN upload_sha256 TEXT;
ALTER TABLE task ADD COLUMN parent_task_id TEXT;
ALTER TABLE task ADD COLUMN piece_of INTEGER;
ALTER TABLE task ADD COLUMN piece_index INTEGER;
ALTER TABLE task ADD COLUMN name_pattern TEXT;
ALTER TABLE task ADD COLUMN credits REAL;
ALTER TABLE task ADD COLUMN credits_source TEXT;
ALTER TABLE task ADD COLUMN credits_seen_at REAL;
ALTER TABLE task ADD COLUMN expected_credits REAL;
ALTER TABLE task ADD COLUMN has_budget INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN balance_before REAL;
ALTER TABLE task ADD COLUMN checked_at REAL;
ALTER TABLE task ADD COLUMN holder TEXT;
UPDATE task SET base_url = canonical_service(base_url);
CREATE INDEX task_identity ON task (identity) WHERE identity IS NOT NULL;
CREATE INDEX task_old_digest ON task (digest) WHERE digest IS NOT NULL;
CREATE INDEX task_piece ON task (piece_of, piece_index) WHERE piece_of IS NOT NULL;
CREATE INDEX task_cost ON task (model, number) WHERE credits IS NOT NULL;
CREATE INDEX task_holder ON task (holder) WHERE holder IS NOT NULL;
ALTER TABLE file ADD COLUMN delivered_sha256 TEXT;
CREATE INDEX file_path ON file (path);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO meta VALUES ('salt', hex(randomblob(32)));
CREATE TABLE kept_key (
    number INTEGER PRIMARY KEY, base_url TEXT NOT NULL, account TEXT, idempotency_key TEXT NOT NULL,
    identity TEXT, digest TEXT, task_id TEXT NOT NULL, state TEXT NOT NULL, submitted_at REAL NOT NULL
);
CREATE INDEX kept_key_key ON kept_key (idempotency_key);
CREATE TABLE account_alias (fingerprint TEXT PRIMARY KEY, owner TEXT NOT NULL);
CREATE TABLE account_check (
    number INTEGER NOT NULL REFERENCES task (number) ON DELETE CASCADE, fingerprint TEXT NOT NULL,
    PRIMARY KEY (number, fingerprint)
);
CREATE TABLE upload (
    number INTEGER PRIMARY KEY, base_url TEXT NOT NULL, account TEXT, sha256 TEXT NOT NULL, variant TEXT NOT NULL,
    url TEXT NOT NULL, bytes INTEGER NOT NULL, uploaded_at REAL NOT NULL
);
CREATE INDEX upload_sha256 ON upload (sha256, variant);
CREATE TABLE split (
    number INTEGER PRIMARY KEY AUTOINCREMENT, base_url TEXT NOT NULL, account TEXT, identity TEXT NOT NULL,
    source TEXT NOT NULL, target TEXT NOT NULL, facts TEXT NOT NULL, settings TEXT NOT NULL,
    state TEXT NOT NULL, created_at REAL NOT NULL
);
CREATE INDEX split_identity ON split (identity);
CREATE TABLE piece (
    split INTEGER NOT NULL REFERENCES split (number) ON DELETE CASCADE, piece_index INTEGER NOT NULL,
    first_frame INTEGER NOT NULL, frames INTEGER NOT NULL, PRIMARY KEY (split, piece_index)
);
