-- One replication slot by name ($1), and why it was invalidated where the server tells: all versions from 13 on have
-- wal_status, 16 has conflicting (true whatever the reason), 17 has invalidation_reason, and synced for a standby's copy of
-- its primary's slot, which stays true after a promotion.
select plugin, slot_type, database, active, active_pid, confirmed_flush_lsn, restart_lsn, wal_status, temporary,
       coalesce(to_jsonb(s) ->> 'invalidation_reason',
                case when pg_catalog.pg_is_in_recovery() and to_jsonb(s) ->> 'conflicting' = 'true' then 'conflict' end),
       coalesce(pg_catalog.pg_is_in_recovery() and to_jsonb(s) ->> 'synced' = 'true', false)
from pg_catalog.pg_replication_slots s
where slot_name = $1
