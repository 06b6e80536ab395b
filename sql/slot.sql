-- One replication slot by name ($1). All versions from 13 on have wal_status.
select plugin, slot_type, database, active, active_pid, confirmed_flush_lsn, restart_lsn, wal_status, temporary
from pg_catalog.pg_replication_slots
where slot_name = $1
