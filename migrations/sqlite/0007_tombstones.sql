-- Erasing a person: what is left of them, so that nothing that comes late brings them back.

-- what was erased: whoever asks for it is told so
CREATE TABLE tombstone (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    token BLOB NOT NULL, -- blind: a customer's ref, or source and id of an interaction or request; not the token that rows have
    kind BIGINT NOT NULL, -- readable: a customer, an interaction or a request
    erasure BIGINT NOT NULL, -- readable: the journal position of the erasure
    erased BIGINT NOT NULL, -- readable: store time of the erasure
    content BLOB NOT NULL, -- sealed: the place in the journal that is kept, so that a restored one can keep it; empty for a customer
    PRIMARY KEY (tenant, token)
) WITHOUT ROWID;

-- Who is erased goes with every ref that resolves to them. Few do; the others cost this index nothing.
CREATE INDEX customer_moved ON customer (tenant, moved_to) WHERE LENGTH(moved_to) > 0;
