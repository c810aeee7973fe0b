-- What the audit chain needs of a journal row whose content was taken away: who took it, and what is
-- left of it.

ALTER TABLE journal ADD COLUMN strips BLOB NOT NULL DEFAULT x''; -- readable: positions of the rows whose content went with this one, 8 bytes each
ALTER TABLE journal ADD COLUMN stripped_by BIGINT NOT NULL DEFAULT 0; -- readable: the position of the row that took its content away, 0 while it has it
ALTER TABLE journal ADD COLUMN hash BLOB NOT NULL DEFAULT x''; -- readable: its hash in the audit chain, once nothing else is left of it

-- A tenant's head is where its chain ends: what a batch took and did not use was not given back before.
UPDATE tenant_head SET position = COALESCE(
    (SELECT MAX(position) FROM audit_link WHERE audit_link.tenant = tenant_head.tenant), 0);
