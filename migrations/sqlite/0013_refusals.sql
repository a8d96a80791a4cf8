-- schema 13: the last refusals of each door.

-- who was not let in last, why and from where: 20 of each source, gone with it. How many there ever were is in
-- source_refusal
create table refusal (
    id integer primary key,
    source integer not null references source (id),
    at_ms integer not null,
    reason text not null,
    address text not null
) strict;

create index refusal_by_source on refusal (source, id);
