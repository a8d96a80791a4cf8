-- schema 17: what a file is.

-- what it is for: 0 serve, 1 sandbox; null until one of them has opened it.
-- the version of posthaste that wrote it last: whoever meets a schema that it does not know reads it here.
-- how often its owner has counted its commits: the note beside the file says how far that had come; and the count with
-- which the log began that holds it: the file itself must have had the one before.
alter table engine add column purpose integer check (purpose in (0, 1));
alter table engine add column written_by text;
alter table engine add column noted integer not null default 0;
alter table engine add column begun integer not null default 0;
