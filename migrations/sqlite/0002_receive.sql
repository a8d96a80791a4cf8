-- schema 2: receiving, and applications that deliver as a provider.
-- provider: 0 standard, 1 fintoc, 2 bridge, 3 finix, 4 svix, 5 generic

alter table application add column provider integer not null default 0 check (provider between 0 and 3);
-- the source whose events it receives
alter table application add column source integer;
create index application_by_source on application (source) where source is not null;

-- an endpoint's provider is its application's; direct: only events that name it go there
alter table endpoint add column provider integer not null default 0 check (provider between 0 and 3);
alter table endpoint add column direct integer not null default 0 check (direct in (0, 1));

-- config (secrets, credentials) and tokens are sealed
create table source (
    id integer primary key,
    environment integer not null references environment (id),
    uid text,
    name text not null,
    metadata text not null,
    provider integer not null check (provider between 0 and 5),
    application integer not null references application (id),
    config blob not null,
    tokens blob not null,
    dedup_days integer not null check (dedup_days > 0),
    updated_ms integer not null,
    deleted integer not null default 0 check (deleted in (0, 1)),
    revision integer not null
) strict;

create unique index source_uid on source (environment, uid) where uid is not null and deleted = 0;
create index source_by_environment on source (environment, id) where deleted = 0;

-- the tokens that open a source's door, by hash
create table source_token (
    hash blob not null primary key check (length(hash) = 16),
    source integer not null references source (id)
) strict, without rowid;

create index source_token_by_source on source_token (source);

-- how an inbound event came; its headers as json, its payload in its event's row.
-- twin: hash of the body that came; flags: 1 id conflict, 2 unknown type, 4 mode mismatch
create table arrival (
    event integer primary key,
    source integer not null,
    dedup_key text not null,
    twin blob check (length(twin) = 16),
    duplicates integer not null default 0,
    flags integer not null check (flags between 0 and 7),
    processed integer not null default 0 check (processed in (0, 1)),
    headers text
) strict;

-- finds the inbound events of a source and key: a bucket every four weeks, dropped by range. Rows are written in random
-- order, so they are as short as can be: half a hash, and whether it is the same key and body is asked of the arrival
create table arrival_key (
    month integer not null,
    hash integer not null,
    event integer not null,
    primary key (month, hash, event)
) strict, without rowid;

-- what a source's requests came to. silences: the longest between two events, of this week and of the one before
create table source_tally (
    source integer primary key,
    accepted integer not null default 0,
    duplicates integer not null default 0,
    conflicts integer not null default 0,
    unknown_types integer not null default 0,
    quarantined integer not null default 0,
    pings integer not null default 0,
    processed integer not null default 0,
    last_ms integer,
    week integer not null default 0,
    silence_ms integer not null default 0,
    silence_before_ms integer not null default 0,
    outage_since_ms integer,
    outage_until_ms integer,
    check ((outage_since_ms is null) = (outage_until_ms is null))
) strict;

create table source_refusal (
    source integer not null,
    reason text not null,
    count integer not null,
    primary key (source, reason)
) strict, without rowid;

-- genuine requests that could not be understood, once for each body
create table quarantine (
    id integer primary key,
    source integer not null,
    sha256 blob not null check (length(sha256) = 32),
    first_ms integer not null,
    count integer not null check (count > 0),
    reason text not null,
    body blob not null,
    unique (source, sha256)
) strict;

create index quarantine_by_source on quarantine (source, id);

-- how far a poller has come
create table consumer (
    application integer not null,
    sink text not null,
    name text not null,
    place integer not null,
    primary key (application, sink, name)
) strict, without rowid;

-- when the server was last known to live
alter table engine add column alive_ms integer;
