-- Web-hooks out: where a tenant's events are sent to, how far that has come, and what could not be delivered
-- yet. What is sent is in the journal: rows here name its places, and hold nothing of anybody.

-- where events are sent to
CREATE TABLE webhook_endpoint (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    endpoint BIGINT NOT NULL, -- readable: its random name
    content BYTEA NOT NULL, -- sealed: its address, its secrets, which events it is told
    revision BIGINT NOT NULL, -- readable: random, new with every writing of its content
    state BIGINT NOT NULL, -- readable: on, off, or why it was switched off
    created BIGINT NOT NULL, -- readable: store time
    changed BIGINT NOT NULL, -- readable: random, new when whoever delivers has to look again
    position BIGINT NOT NULL, -- readable: of the journal all up to here is delivered, or has a row of its own
    failing_since BIGINT NOT NULL, -- readable: store time since when nothing was accepted; zero while it is
    holder BIGINT NOT NULL, -- readable: the instance that delivers, random; zero for none
    held_until BIGINT NOT NULL, -- readable: store time until when no other instance does
    PRIMARY KEY (tenant, endpoint)
);

-- events that were not accepted, wait for others that were not, or were given up
CREATE TABLE webhook_delivery (
    tenant BIGINT NOT NULL, -- readable: the tenant's number
    endpoint BIGINT NOT NULL, -- readable: where it is sent to
    position BIGINT NOT NULL, -- readable: the event's place in the journal
    state BIGINT NOT NULL, -- readable: waiting, or given up
    attempts BIGINT NOT NULL, -- readable: how often it was tried
    due BIGINT NOT NULL, -- readable: store time before which it is not tried again
    failed BIGINT NOT NULL, -- readable: store time of the newest failure; zero before the first
    outcome BIGINT NOT NULL, -- readable: the status it was answered with, or a code below 100 for why there was none
    PRIMARY KEY (tenant, endpoint, position)
);
