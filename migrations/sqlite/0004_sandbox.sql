-- schema 4: the sandbox.

-- what the small providers keep: each resource as the json they answer with, in the world of one key
create table resource (
    world text not null,
    kind text not null,
    id text not null,
    value blob not null,
    primary key (world, kind, id)
) strict, without rowid;
