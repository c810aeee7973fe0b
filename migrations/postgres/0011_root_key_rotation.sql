-- Rotating the root key: which version wraps, who reads it, and what may no longer be written. And the
-- rows whose sealed column is written anew say which writing it is of.

ALTER TABLE root_key ADD COLUMN state BIGINT NOT NULL DEFAULT 1; -- readable: announced, in use or retired; the newest in use wraps
ALTER TABLE root_key ADD COLUMN changed BIGINT NOT NULL DEFAULT 0; -- readable: store time since when it is that
ALTER TABLE tenant_head ADD COLUMN root_version BIGINT NOT NULL DEFAULT 0; -- readable: the oldest root key version that new keys of the tenant may be wrapped with

-- the instances that serve, and which versions each of them reads
CREATE TABLE instance (
    tenant BIGINT NOT NULL, -- readable: always 0, the installation itself
    instance BIGINT NOT NULL, -- readable: random, new with every start
    seen BIGINT NOT NULL, -- readable: store time at which it last said that it serves
    root_versions TEXT NOT NULL, -- readable: the versions of the root key that it reads, comma-separated
    PRIMARY KEY (tenant, instance)
);

ALTER TABLE interaction ADD COLUMN revision BIGINT NOT NULL DEFAULT 0; -- readable: random, new with every writing of its content
ALTER TABLE customer_merge ADD COLUMN revision BIGINT NOT NULL DEFAULT 0; -- readable: random, new with every writing of its content
