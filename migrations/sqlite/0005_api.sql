-- schema 5: the whole API.

-- an environment made for a Svix token bears the name in that token; 'org_00000000000SvixManagement00' is where what
-- happens to endpoints and attempts is told. schema_validation: 0 off, 1 warn, 2 enforce
pragma defer_foreign_keys = on;
create temp table kept_environment as select id, name from environment;
drop table environment;
create table environment (
    id integer primary key,
    name text not null unique check (name in ('test', 'live') or name glob 'org_*'),
    schema_validation integer not null default 0 check (schema_validation between 0 and 2)
) strict;
insert into environment (id, name) select id, name from kept_environment;
drop table kept_environment;

-- a key of one application; how many requests a second; when it was last used, to a minute
alter table key add column application integer references application (id);
alter table key add column rate integer check (rate > 0);
alter table key add column used_ms integer;

-- wire: 0 webhook-*, 1 svix-*, 2 both
alter table application add column throttle_rate integer check (throttle_rate > 0);
alter table application add column wire integer not null default 0 check (wire between 0 and 2);

-- feature_flags: json list, null for none
alter table event_type add column feature_flags text;
alter table event_type add column group_name text;

-- what few events have beside the rest; expunged: its payload was erased
create table event_extra (
    event integer primary key,
    tags text,
    keep_until_ms integer,
    expunged integer not null default 0 check (expunged in (0, 1))
) strict;

-- tokens that end before their time. kind: 0 all of the application, 1 of a session, 2 one, by its hash.
-- those issued until then end at from_ms
create table ended_token (
    application integer not null,
    kind integer not null check (kind between 0 and 2),
    subject text not null,
    issued_until_ms integer not null,
    from_ms integer not null,
    forget_ms integer not null,
    primary key (application, kind, subject, issued_until_ms)
) strict, without rowid;

create index ended_token_by_time on ended_token (forget_ms);

-- what an endpoint's deliveries came to, by the hour of their events; and its attempts, by their own.
-- accepted less the other three is what waits
create table endpoint_hour (
    endpoint integer not null,
    hour integer not null,
    accepted integer not null,
    succeeded integer not null,
    failed integer not null,
    canceled integer not null,
    attempts_succeeded integer not null,
    attempts_failed integer not null,
    primary key (endpoint, hour)
) strict, without rowid;

create index endpoint_hour_by_time on endpoint_hour (hour);

insert into endpoint_hour
select endpoint, hour, sum(accepted), sum(succeeded), sum(failed), sum(canceled), sum(attempts_succeeded), sum(attempts_failed) from (
    select endpoint, ((event >> 22) + 1400000000000) / 3600000 as hour, 1 as accepted, status = 0 as succeeded, status = 2 as failed,
        status = 4 as canceled, 0 as attempts_succeeded, 0 as attempts_failed from delivery
    union all
    select endpoint, ((attempt >> 22) + 1400000000000) / 3600000, 0, 0, 0, 0, status_code between 200 and 299, status_code not between 200 and 299
        from delivery where attempt is not null
    union all
    select endpoint, ((id >> 22) + 1400000000000) / 3600000, 0, 0, 0, 0, status_code between 200 and 299, status_code not between 200 and 299
        from attempt
) group by endpoint, hour;

-- signs tokens; sealed, and made at the first start
alter table engine add column token_key blob;
