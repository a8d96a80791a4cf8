-- schema 1: the engine.
-- ids are time-ordered integers (41 bits of ms, 10 of node, 12 of sequence); times are ms since 1970;
-- lists and maps are json text; secrets and header values are sealed blobs.

create table environment (
    id integer primary key,
    name text not null unique check (name in ('test', 'live'))
) strict;

-- keys are kept as sha-256 of their text; the hint is enough to recognise one
create table key (
    id integer primary key,
    environment integer not null references environment (id),
    role integer not null check (role between 0 and 2),
    hash blob not null unique check (length(hash) = 32),
    hint text not null,
    revoked_ms integer
) strict;

create table application (
    id integer primary key,
    environment integer not null references environment (id),
    uid text,
    name text not null,
    metadata text not null,
    updated_ms integer not null,
    deleted integer not null default 0 check (deleted in (0, 1))
) strict;

create unique index application_uid on application (environment, uid) where uid is not null and deleted = 0;
create index application_by_environment on application (environment, id) where deleted = 0;

create table event_type (
    environment integer not null references environment (id),
    name text not null,
    description text not null,
    schemas text,
    archived integer not null check (archived in (0, 1)),
    deprecated integer not null check (deprecated in (0, 1)),
    created_ms integer not null,
    updated_ms integer not null,
    primary key (environment, name)
) strict, without rowid;

-- state: 0 enabled, 1 disabled, 2 gone (410), 3 failing (5 days), 4 deleted
create table endpoint (
    id integer primary key,
    application integer not null references application (id),
    uid text,
    url text not null,
    description text not null,
    state integer not null check (state between 0 and 4),
    event_types text not null,
    channels text not null,
    headers blob not null,
    metadata text not null,
    secrets blob not null,
    failing_since_ms integer,
    clock_runs integer not null default 0 check (clock_runs in (0, 1)),
    updated_ms integer not null,
    revision integer not null,
    check (clock_runs = 0 or failing_since_ms is not null)
) strict;

create unique index endpoint_uid on endpoint (application, uid) where uid is not null and state < 4;
create index endpoint_by_application on endpoint (application, id) where state < 4;

-- append only. fan_out: the endpoints it goes to, packed. The payload stands last, so that lists need not read it.
create table event (
    id integer primary key,
    application integer not null,
    event_type text not null,
    channels text,
    uid text,
    sha256 blob not null check (length(sha256) = 32),
    fan_out blob not null,
    payload blob not null
) strict;

create index event_by_application on event (application, id);

-- the caller's own event id: as long as its event; hash of application and uid
create table event_uid (
    hash blob not null primary key check (length(hash) = 16),
    event integer not null
) strict, without rowid;

-- an Idempotency-Key of a publish: 24 h, a bucket a day, dropped by range
create table event_key (
    day integer not null,
    hash blob not null check (length(hash) = 16),
    event integer not null,
    request blob not null check (length(request) = 16),
    at_ms integer not null,
    primary key (day, hash)
) strict, without rowid;

-- a key that an sdk made up for its own retry: 15 minutes, looked up in memory, read back at start
create table recent_key (
    event integer primary key,
    hash blob not null check (length(hash) = 16),
    request blob not null check (length(request) = 16)
) strict;

-- the answer to any other POST with a key
create table answer (
    day integer not null,
    hash blob not null check (length(hash) = 16),
    request blob not null check (length(request) = 16),
    at_ms integer not null,
    brief integer not null check (brief in (0, 1)),
    status integer not null,
    body blob not null,
    primary key (day, hash)
) strict, without rowid;

-- written with the first outcome, or when the delivery leaves memory before it.
-- status: 0 success, 1 pending, 2 failed, 4 canceled. The first attempt is inlined; later ones have rows of their own.
create table delivery (
    event integer not null,
    endpoint integer not null,
    status integer not null check (status in (0, 1, 2, 4)),
    attempts integer not null,
    step integer not null,
    due_ms integer,
    trigger integer not null check (trigger in (0, 1)),
    attempt integer,
    started_ms integer,
    duration_ms integer,
    url text,
    status_code integer,
    attempt_trigger integer,
    response blob,
    primary key (event, endpoint),
    check (status <> 1 or due_ms is not null),
    check ((attempts = 0) = (attempt is null))
) strict, without rowid;

create index delivery_by_endpoint on delivery (endpoint, attempt) where attempt is not null;
create index delivery_failed on delivery (endpoint, event) where status = 2;

-- from the second attempt on
create table attempt (
    id integer primary key,
    event integer not null,
    endpoint integer not null,
    started_ms integer not null,
    duration_ms integer not null,
    url text not null,
    status_code integer not null,
    trigger integer not null check (trigger in (0, 1)),
    response blob not null
) strict;

create index attempt_by_event on attempt (event, id);
create index attempt_by_endpoint on attempt (endpoint, id);

-- deliveries whose next attempt the disk knows; due_ms on the steady scale
create table due (
    endpoint integer not null,
    due_ms integer not null,
    event integer not null,
    primary key (endpoint, due_ms, event)
) strict, without rowid;

-- one row: the key of the public ids, and the mark: all deliveries of events below it have rows
create table engine (
    one integer primary key check (one = 1),
    id_key blob not null check (length(id_key) = 16),
    mark integer not null,
    last_id integer not null
) strict;
