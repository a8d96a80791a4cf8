-- schema 7: people.

-- who may use the dashboard; email in lower case, role: 0 admin, 2 viewer, password: argon2id in the form of PHC
create table user (
    id integer primary key,
    email text not null unique,
    role integer not null check (role in (0, 2)),
    password text not null,
    updated_ms integer not null
) strict;

-- who is logged in, by the hash of what the cookie holds: a user by password, or the holder of a key
create table session (
    hash blob not null primary key check (length(hash) = 32),
    user integer references user (id),
    key integer references key (id),
    expires_ms integer not null,
    check ((user is null) <> (key is null))
) strict, without rowid;

create index session_by_time on session (expires_ms);
create index session_by_user on session (user) where user is not null;

-- the last test of an endpoint: the event that was sent, and the endpoint's revision then
create table endpoint_test (
    endpoint integer primary key references endpoint (id),
    event integer not null,
    revision integer not null
) strict;

create index endpoint_failing on endpoint (failing_since_ms) where failing_since_ms is not null and state < 4;

-- hours with deliveries that wait: the oldest is looked for
create index endpoint_hour_waiting on endpoint_hour (hour) where accepted > succeeded + failed + canceled;
