-- Receivers of web-hooks are told that somebody was erased: the refs that they know them by, until they were told.

-- what is still to be told of an erasure; the journal's row of it names nobody
CREATE TABLE erasure_notice (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    erasure BLOB NOT NULL, -- blind: source and request_id of the erasure
    position BIGINT NOT NULL, -- readable: the journal position of the erasure
    made BIGINT NOT NULL, -- readable: store time of the erasure; removed 30 days after it, or once all were told
    content BLOB NOT NULL, -- sealed: the refs of the person, as they were
    PRIMARY KEY (tenant, erasure)
) WITHOUT ROWID;
