-- Backups: which installation they are of, and whether one is being put back.

-- the installation itself: one row
CREATE TABLE installation (
    tenant BIGINT NOT NULL, -- readable: always 0, the installation itself
    name BYTEA NOT NULL, -- readable: random; its backups carry it, so that no two installations' are mixed
    restoring BYTEA NOT NULL, -- readable: SHA-256 that names the backup being put back; empty once all of it is
    steps BIGINT NOT NULL, -- readable: how far that has come
    PRIMARY KEY (tenant)
);

INSERT INTO installation (tenant, name, restoring, steps) VALUES
    (0, decode(md5(CAST(random() AS TEXT) || CAST(clock_timestamp() AS TEXT)), 'hex'), '', 0);
