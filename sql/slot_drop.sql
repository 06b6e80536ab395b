-- Drops a replication slot ($1) that nobody uses.
select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1 and not active
