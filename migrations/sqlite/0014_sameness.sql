-- schema 14: an event is the same however it is spelled, and is called alike wherever it comes in; what contradicts
-- another, or is not understood, is held back until an Admin decides

-- what all spellings of it have in common, written down when its payload is erased
alter table arrival add column fingerprint blob check (length(fingerprint) = 16);
-- what it is called on the wire; null for its own id
alter table arrival add column webhook_id blob check (length(webhook_id) = 20);
-- the event under whose id it came, saying something else
alter table arrival add column first integer;
-- flags goes on: 8 unread, 16 imported, 32 the first one's payload is erased
alter table arrival add column more_flags integer not null default 0 check (more_flags & 56 = more_flags);

-- events that came under the id of another and say something else: as they would be delivered.
-- state: 0 waiting, 1 released, 2 discarded. What does not wait has no body, and is kept so that it is known again
create table conflict (
    id integer primary key,
    source integer not null,
    application integer not null,
    first integer not null,
    event_type text not null,
    dedup_key text not null,
    hash integer not null,
    twin blob not null check (length(twin) = 16),
    fingerprint blob check (length(fingerprint) = 16),
    flags integer not null check (flags between 0 and 63),
    count integer not null check (count > 0),
    state integer not null default 0 check (state between 0 and 2),
    event integer,
    told integer not null default 0 check (told in (0, 1)),
    headers text,
    body blob not null,
    check ((state = 1) = (event is not null))
) strict;

create index conflict_by_source on conflict (source, id) where state = 0;
create index conflict_by_key on conflict (source, hash);
create index conflict_waiting on conflict (id) where state = 0;
create index conflict_untold on conflict (id) where told = 0;

-- kind: a word for the reason; null for what was kept before there were such words. state as that of a conflict
alter table quarantine add column kind text;
alter table quarantine add column headers text;
alter table quarantine add column state integer not null default 0 check (state between 0 and 2);
alter table quarantine add column event integer check ((state = 1) = (event is not null));
create index quarantine_waiting on quarantine (first_ms) where state = 0;
create index quarantine_decided on quarantine (first_ms) where state > 0;
