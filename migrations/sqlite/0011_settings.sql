-- schema 11: names and ends of keys; the audit log.

-- what people call a key, and when it ends by itself
alter table key add column name text not null default '';
alter table key add column expires_ms integer;

-- who changed what, when and from where; numbered from 1, kept for 400 days, a million rows at most
create table audit (
    id integer primary key,
    at_ms integer not null,
    -- 0 the server, 1 its command line, 2 a stranger; by id: 3 a user, 4 a key, 5 a token of an application, 6 of an environment
    actor integer not null check (actor between 0 and 6),
    actor_id integer check ((actor_id is not null) = (actor > 2)),
    -- how that one was called then, and from which address
    who text not null,
    address text,
    -- a noun and a verb; where, whose, to what, how that was called, which of its fields
    what text not null,
    environment integer,
    application integer,
    subject integer,
    name text not null,
    detail text not null
) strict;
