-- What is said of customers beside their contacts: ties that were made or taken away directly, and
-- whose attributes and contacts disagree.

-- what was said of one tie beside any contact
CREATE TABLE tie (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    customer BYTEA NOT NULL, -- readable: the opaque ref
    token BYTEA NOT NULL, -- blind: an identifier
    assurance BIGINT NOT NULL, -- readable: what a direct link gives, 0 when there is none
    untied BIGINT NOT NULL, -- readable: event time up to which contacts give no reason for it, 0 when never unlinked
    PRIMARY KEY (tenant, customer, token)
);

-- customers of whom different things were said; what exactly is folded from their file
CREATE TABLE dispute (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    customer BYTEA NOT NULL, -- readable: the opaque ref
    PRIMARY KEY (tenant, customer)
);
