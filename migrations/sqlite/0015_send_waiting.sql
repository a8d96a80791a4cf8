-- schema 15: what waits for its retry is sent at once.

-- deliveries that have not succeeded, by event: those that wait, and those that failed for good
drop index delivery_failed;
create index delivery_open on delivery (endpoint, event) where status in (1, 2);

-- kind 3: those that wait; delivered: how many of those made again had been delivered before
create table made_again (
    id integer primary key,
    environment integer not null references environment (id),
    application integer not null references application (id),
    endpoint integer not null references endpoint (id),
    kind integer not null check (kind between 0 and 3),
    state integer not null check (state between 0 and 2),
    first integer not null,
    last integer not null,
    wanted text not null,
    position integer not null,
    total integer not null,
    done integer not null,
    delivered integer not null default 0,
    updated_ms integer not null
) strict;
insert into made_again (id, environment, application, endpoint, kind, state, first, last, wanted, position, total, done, updated_ms)
    select id, environment, application, endpoint, kind, state, first, last, wanted, position, total, done, updated_ms from replay;
drop table replay;
alter table made_again rename to replay;

-- one at a time for each endpoint
create unique index replay_running on replay (endpoint) where state = 0;
create index replay_by_environment on replay (environment, id);
