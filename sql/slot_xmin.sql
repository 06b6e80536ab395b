-- The oldest transaction whose catalogue rows a slot keeps.
select catalog_xmin from pg_catalog.pg_replication_slots where slot_name = $1
