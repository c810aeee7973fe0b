-- The store's first shape. Landed migrations are add-only: a new column or table is a new file.
-- Every column says whether it is readable, blind (a keyed hash) or sealed (encrypted), and why.

-- which root keys may open what this store holds
CREATE TABLE root_key (
    tenant BIGINT NOT NULL, -- readable: always 0, the installation itself
    version BIGINT NOT NULL, -- readable: the root key's version
    check_value BLOB NOT NULL, -- sealed: a constant that only the right root key opens
    PRIMARY KEY (tenant, version)
) WITHOUT ROWID;

-- one company using the service
CREATE TABLE tenant (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    name TEXT NOT NULL, -- readable: the operator's name for the tenant
    test BIGINT NOT NULL, -- readable: 1 when its rows are purged after 7 days
    created BIGINT NOT NULL, -- readable: store time
    data_key BIGINT NOT NULL, -- readable: the tenant's own data key
    secrets BLOB NOT NULL, -- sealed: index, fingerprint and pseudonym keys
    PRIMARY KEY (tenant)
) WITHOUT ROWID;
CREATE UNIQUE INDEX tenant_name ON tenant (name, test);

-- serialises a tenant's batches over all instances, so that journal order is commit order
CREATE TABLE tenant_head (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    position BIGINT NOT NULL, -- readable: the highest journal position handed out
    audit_hash BLOB NOT NULL, -- readable: the last link of the audit chain
    store_time BIGINT NOT NULL, -- readable: the newest store time of a batch; the clock never falls below it
    PRIMARY KEY (tenant)
) WITHOUT ROWID;

-- wrapped data keys, apart from what they seal
CREATE TABLE data_key (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    data_key BIGINT NOT NULL, -- readable: the key's random name
    root_version BIGINT NOT NULL, -- readable: the root key that wraps it
    wrapped BLOB NOT NULL, -- sealed: the key under the root key
    PRIMARY KEY (tenant, data_key)
) WITHOUT ROWID;

-- who may call
CREATE TABLE api_key (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    id TEXT NOT NULL, -- readable: the public part of the key
    hash BLOB NOT NULL, -- blind: SHA-256 of the random secret
    roles TEXT NOT NULL, -- readable: role names, comma-separated
    source TEXT NOT NULL, -- readable: the source its interaction ids belong to
    may_address TEXT NOT NULL, -- readable: other sources it may name, comma-separated
    max_assurance BIGINT NOT NULL, -- readable: explicit ceiling, 0 when none
    created BIGINT NOT NULL, -- readable: store time
    revoked BIGINT NOT NULL, -- readable: store time, 0 while valid
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- a person known to a tenant
CREATE TABLE customer (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    customer BLOB NOT NULL, -- readable: the opaque ref
    data_key BIGINT NOT NULL, -- readable: the customer's data key
    stamp BIGINT NOT NULL, -- readable: random, new with every write that could change an answer
    created BIGINT NOT NULL, -- readable: event time of the first contact
    received BIGINT NOT NULL, -- readable: store time of the first write
    last_contact BIGINT NOT NULL, -- readable: event time of the newest settled contact, 0 when none
    contacts BIGINT NOT NULL, -- readable: settled contacts so far
    disclosure BIGINT NOT NULL, -- readable: cap on what is shown
    moved_to BLOB NOT NULL, -- readable: the ref this one resolves to, empty while it stands for itself
    PRIMARY KEY (tenant, customer)
) WITHOUT ROWID;

-- one row a token, whoever owns it, also when nobody does
CREATE TABLE head (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    token BLOB NOT NULL, -- blind: an identifier
    stamp BIGINT NOT NULL, -- readable: random, new when the token's owners change
    PRIMARY KEY (tenant, token)
) WITHOUT ROWID;

-- one customer's tie to one identifier
CREATE TABLE link (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    customer BLOB NOT NULL, -- readable: the opaque ref
    token BLOB NOT NULL, -- blind: an identifier
    assurance BIGINT NOT NULL, -- readable: the highest it was linked with
    uses BIGINT NOT NULL, -- readable: settled contacts that showed it
    weight BIGINT NOT NULL, -- readable: decayed use counter, the bits of a 64-bit float
    newest BIGINT NOT NULL, -- readable: event time of its newest use
    identifier BLOB NOT NULL, -- sealed: kind, namespace and value
    PRIMARY KEY (tenant, customer, token)
) WITHOUT ROWID;
-- It covers the look-up: otherwise SQLite would walk the whole tenant by the primary key.
CREATE INDEX link_owner ON link (tenant, token, customer, assurance);

-- a contact in a customer's history
CREATE TABLE interaction (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    customer BLOB NOT NULL, -- readable: the opaque ref
    ended BIGINT NOT NULL, -- readable: event time of the end; of the start while active
    interaction BLOB NOT NULL, -- blind: source and interaction_id
    state BIGINT NOT NULL, -- readable: active, ended or never ended
    started BIGINT NOT NULL, -- readable: event time
    received BIGINT NOT NULL, -- readable: store time of this row
    channel TEXT NOT NULL, -- readable: the channel's name
    direction BIGINT NOT NULL, -- readable: inbound or outbound
    confirmed BIGINT NOT NULL, -- readable: 1 when settled
    counted BIGINT NOT NULL, -- readable: 1 when it feeds counters
    contact BLOB NOT NULL, -- blind: the first interaction of its chain
    agent BLOB NOT NULL, -- blind: the agent, empty when none
    queue BLOB NOT NULL, -- blind: the queue, empty when none
    brand BLOB NOT NULL, -- blind: the brand, empty when none
    disposition BLOB NOT NULL, -- blind: the disposition, empty when none
    content BLOB NOT NULL, -- sealed: everything else
    PRIMARY KEY (tenant, customer, ended, interaction)
) WITHOUT ROWID;

-- what one interaction said of one intent
CREATE TABLE intent_fact (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    customer BLOB NOT NULL, -- readable: the opaque ref
    interaction BLOB NOT NULL, -- blind: source and interaction_id
    intent BLOB NOT NULL, -- blind: the intent's name
    reference BLOB NOT NULL, -- blind: which one, empty when none
    status BIGINT NOT NULL, -- readable: open, escalated, resolved or abandoned
    counts BIGINT NOT NULL, -- readable: 1 when it is an attempt
    time BIGINT NOT NULL, -- readable: event time
    contact BLOB NOT NULL, -- blind: the first interaction of its chain
    channel TEXT NOT NULL, -- readable: the channel's name
    sensitivity BIGINT NOT NULL, -- readable: normal or sensitive
    content BLOB NOT NULL, -- sealed: the reference's text
    PRIMARY KEY (tenant, customer, interaction, intent, reference)
) WITHOUT ROWID;

-- values that one write set: variables or profile attributes
CREATE TABLE block (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    customer BLOB NOT NULL, -- readable: the opaque ref
    kind BIGINT NOT NULL, -- readable: variables or profile
    interaction BLOB NOT NULL, -- blind: source and interaction_id
    part BIGINT NOT NULL, -- readable: random, tells blocks of one interaction apart
    position BIGINT NOT NULL, -- readable: the journal position that wrote it
    expire BIGINT NOT NULL, -- readable: when all in it have expired
    content BLOB NOT NULL, -- sealed: names and values
    PRIMARY KEY (tenant, customer, kind, interaction, part)
) WITHOUT ROWID;
CREATE INDEX block_expire ON block (tenant, expire);

-- the tenant's dictionary: each label's text once
CREATE TABLE label (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    token BLOB NOT NULL, -- blind: class and text of the label
    content BLOB NOT NULL, -- sealed: the text
    PRIMARY KEY (tenant, token)
) WITHOUT ROWID;

-- what was decided: guard of its effects, outbox entry and audit entry at once.
-- An ordinary rowid table: its wide rows are appended, only the narrow indexes are random.
CREATE TABLE journal (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    interaction BLOB NOT NULL, -- blind: source and interaction_id
    verb BIGINT NOT NULL, -- readable: what was done
    part BLOB NOT NULL, -- blind: the update's id or the end's revision
    position BIGINT NOT NULL, -- readable: order of commit
    fingerprint BLOB NOT NULL, -- blind: keyed hash of the request's content
    received BIGINT NOT NULL, -- readable: store time
    time BIGINT NOT NULL, -- readable: event time
    channel TEXT NOT NULL, -- readable: the channel's name
    customer BLOB NOT NULL, -- readable: the opaque ref, empty when none
    caller TEXT NOT NULL, -- readable: the public part of the API key
    outcome BIGINT NOT NULL, -- readable: how it was decided
    state BLOB NOT NULL, -- sealed: the interaction as it stood after this, empty once stripped
    digest BLOB NOT NULL, -- readable: SHA-256 of the sealed state once it is stripped, else empty
    PRIMARY KEY (tenant, interaction, verb, part)
);
CREATE UNIQUE INDEX journal_position ON journal (tenant, position);

-- one link a batch of the tenant's hash chain
CREATE TABLE audit_link (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    position BIGINT NOT NULL, -- readable: the batch's last journal position
    entries BIGINT NOT NULL, -- readable: how many rows it covers
    hash BLOB NOT NULL, -- readable: SHA-256 over the link before and the rows
    PRIMARY KEY (tenant, position)
) WITHOUT ROWID;

-- how far each sweep has come
CREATE TABLE sweep_mark (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    sweep TEXT NOT NULL, -- readable: the sweep's name
    position BIGINT NOT NULL, -- readable: the journal position it has reached
    PRIMARY KEY (tenant, sweep)
) WITHOUT ROWID;
