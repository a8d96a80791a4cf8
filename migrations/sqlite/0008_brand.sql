-- schema 8: the portal.

-- how an environment's platform looks to its customers. colour: 0xrrggbb; media: 0 png, 1 jpeg, 2 webp, 3 svg
create table brand (
    environment integer primary key references environment (id),
    name text,
    colour integer check (colour between 0 and 16777215),
    media integer check (media between 0 and 3),
    logo blob,
    check ((media is null) = (logo is null))
) strict;
