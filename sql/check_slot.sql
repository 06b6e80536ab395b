-- One replication slot ($1), who uses it, and the bytes of log that it keeps. Columns that an older server lacks are null.
select s.plugin, s.slot_type, s.database, s.active, s.active_pid, a.application_name,
       pg_catalog.to_jsonb(s) ->> 'wal_status',
       pg_catalog.pg_wal_lsn_diff(case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                                       else pg_catalog.pg_current_wal_lsn() end, s.restart_lsn)::bigint,
       coalesce(pg_catalog.to_jsonb(s) ->> 'invalidation_reason',
                case when pg_catalog.pg_is_in_recovery() and pg_catalog.to_jsonb(s) ->> 'conflicting' = 'true'
                     then 'conflict' end)
from pg_catalog.pg_replication_slots s
left join pg_catalog.pg_stat_activity a on a.pid = s.active_pid
where s.slot_name = $1
