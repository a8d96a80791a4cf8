-- schema 12: minutes.

-- what an environment's deliveries came to; kept for 3 hours. accepted: in the minute of their events; delivered and
-- failed: in that of the attempt; waiting: now, of that minute's events. took: how long those took that were delivered
-- then, in ms, as a packed histogram
create table environment_minute (
    minute integer not null,
    environment integer not null,
    accepted integer not null,
    delivered integer not null,
    failed integer not null,
    waiting integer not null,
    took blob not null,
    primary key (minute, environment)
) strict, without rowid;
