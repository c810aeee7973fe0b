-- Customers who were not in contact for long are set aside until somebody confirms who it is.

ALTER TABLE customer ADD COLUMN archived BIGINT NOT NULL DEFAULT 0; -- readable: store time at which they were set aside for want of a contact, 0 while active
