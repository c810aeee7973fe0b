-- When a key ends, what it was replaced by, when it was last used, and how much it may call.

ALTER TABLE api_key ADD COLUMN expires BIGINT NOT NULL DEFAULT 0; -- readable: store time at which it ends, 0 when never
ALTER TABLE api_key ADD COLUMN used BIGINT NOT NULL DEFAULT 0; -- readable: store time of its last use, up to a minute early, 0 before the first
ALTER TABLE api_key ADD COLUMN replaced_by TEXT NOT NULL DEFAULT ''; -- readable: the public part of the key that it was rotated to, empty when none
ALTER TABLE api_key ADD COLUMN rate BIGINT NOT NULL DEFAULT 0; -- readable: calls a second, 0 when as its tenant's settings say
ALTER TABLE api_key ADD COLUMN burst BIGINT NOT NULL DEFAULT 0; -- readable: calls at once, 0 when as its tenant's settings say
