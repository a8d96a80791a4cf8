-- schema 3: the keys of inbound events are indexed thousands at a time.
-- They come in random order, and one by one each would cost arrival_key a page: until many go there together, the
-- arrivals since then are read at start and remembered

-- half of what its key is found by; null for what is never a duplicate, and for what came under an earlier schema
alter table arrival add column hash integer;

-- the keys of inbound events up to here are in arrival_key, and a few newer ones may be. Under earlier schemas each went
-- there as it came
alter table engine add column indexed integer not null default 0;
update engine set indexed = (select coalesce(max(event), 0) from arrival);
