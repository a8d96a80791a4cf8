-- schema 16: what waits for another attempt is counted apart from what nobody tried yet.

-- of those that wait (accepted less succeeded, failed and canceled): those that were tried
alter table endpoint_hour add column retrying integer not null default 0;

insert into endpoint_hour (endpoint, hour, accepted, succeeded, failed, canceled, retrying, attempts_succeeded, attempts_failed)
select endpoint, ((event >> 22) + 1400000000000) / 3600000 as hour, 0, 0, 0, 0, count(*), 0, 0
    from delivery where status in (1, 2) and status = 1 and attempts > 0 group by endpoint, hour
    on conflict do update set retrying = excluded.retrying;
