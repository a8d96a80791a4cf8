-- schema 10: deliveries in the order of a key.

-- the key under which a delivery waits its turn; null for one that waits for nobody
alter table delivery add column order_key integer;

-- deliveries that have taken their place among those of their key and are not final. One of each key has its time in the
-- due index; the others are due never (due_ms 4611686018427387903), until it ends
create table chain (
    endpoint integer not null,
    key integer not null,
    event integer not null,
    primary key (endpoint, key, event)
) strict, without rowid;
