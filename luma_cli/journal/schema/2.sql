ALTER TABLE task ADD COLUMN answered_at REAL;
CREATE INDEX task_answered ON task (base_url, answered_at);
