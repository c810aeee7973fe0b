-- Backups: which installation they are of, and whether one is being put back.

-- the installation itself: one row
CREATE TABLE installation (
    tenant BIGINT NOT NULL, -- readable: always 0, the installation itself
    name BLOB NOT NULL, -- readable: random; its backups carry it, so that no two installations' are mixed
    restoring BLOB NOT NULL, -- readable: SHA-256 that names the backup being put back; empty once all of it is
    steps BIGINT NOT NULL, -- readable: how far that has come
    PRIMARY KEY (tenant)
) WITHOUT ROWID;

INSERT INTO installation (tenant, name, restoring, steps) VALUES (0, randomblob(16), x'', 0);
