-- One publication by name ($1): whether it holds all tables.
select puballtables from pg_catalog.pg_publication where pubname = $1
