-- Merging customers: edges between two who are one person, and the set that each belongs to.

ALTER TABLE customer ADD COLUMN set_name BLOB NOT NULL DEFAULT x''; -- readable: the oldest ref of the set it belongs to, empty while alone
-- Few belong to a set; the others cost this index nothing.
CREATE INDEX customer_set ON customer (tenant, set_name, customer) WHERE LENGTH(set_name) > 0;

-- an edge between two customers, in force or undone: the history of merges
CREATE TABLE customer_merge (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    merge_id BLOB NOT NULL, -- blind: source and request_id of the merge
    one BLOB NOT NULL, -- readable: the older of the two refs
    other BLOB NOT NULL, -- readable: the younger one
    state BIGINT NOT NULL, -- readable: in force, undone or proposed
    made BIGINT NOT NULL, -- readable: store time of the merge or proposal
    undone BIGINT NOT NULL, -- readable: store time of the unmerge, 0 while in force
    content BLOB NOT NULL, -- sealed: who merged and unmerged, why, on what evidence
    PRIMARY KEY (tenant, merge_id)
) WITHOUT ROWID;
CREATE INDEX customer_merge_one ON customer_merge (tenant, one);
CREATE INDEX customer_merge_other ON customer_merge (tenant, other);
