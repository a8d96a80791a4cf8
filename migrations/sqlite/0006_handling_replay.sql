-- schema 6: how an endpoint's deliveries are made, and deliveries made again.

-- as json; what it does not name is as usual
alter table endpoint add column handling text not null default '{}';

-- an event that is delivered later than it was accepted
alter table event_extra add column deliver_at_ms integer;

-- deliveries of one endpoint made again, slice by slice. kind: 0 recover, 1 all that fit, 2 those that were never made;
-- state: 0 running, 1 finished, 2 canceled. Events from first on and below last; wanted as json; all below position
-- are done
create table replay (
    id integer primary key,
    environment integer not null references environment (id),
    application integer not null references application (id),
    endpoint integer not null references endpoint (id),
    kind integer not null check (kind between 0 and 2),
    state integer not null check (state between 0 and 2),
    first integer not null,
    last integer not null,
    wanted text not null,
    position integer not null,
    total integer not null,
    done integer not null,
    updated_ms integer not null
) strict;

-- one at a time for each endpoint
create unique index replay_running on replay (endpoint) where state = 0;
create index replay_by_environment on replay (environment, id);
