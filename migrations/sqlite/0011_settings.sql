-- schema 11: names and ends of keys.

-- what people call a key, and when it ends by itself
alter table key add column name text not null default '';
alter table key add column expires_ms integer;
