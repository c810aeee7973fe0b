-- When somebody last confirmed a customer with an identifier.

ALTER TABLE link ADD COLUMN confirmed BIGINT NOT NULL DEFAULT 0; -- readable: event time of the newest confirmed use
