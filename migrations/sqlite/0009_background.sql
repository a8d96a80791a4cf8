-- schema 9: what goes on behind requests.

-- payloads with a time of their own, until they are erased
create index event_extra_by_time on event_extra (keep_until_ms) where keep_until_ms is not null and expunged = 0;

-- the payloads of events below kept_from are erased, but for those with a time of their own; the rows up to packed
-- were moved together
alter table engine add column kept_from integer not null default 0;
alter table engine add column packed integer not null default 0;

-- long work that is no replay. work as json; state: 0 running, 1 finished, 2 canceled; all below position is done;
-- result: what was asked for, as json
create table task (
    id integer primary key,
    environment integer not null references environment (id),
    application integer references application (id),
    work text not null,
    state integer not null check (state between 0 and 2),
    position integer not null,
    done integer not null,
    result text,
    updated_ms integer not null
) strict;

create index task_running on task (id) where state = 0;
create index task_by_environment on task (environment, id);
create index task_ended on task (updated_ms) where state > 0;
