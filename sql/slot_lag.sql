-- The server's end of the WAL, how much of it is kept for a slot, and how much more may be written before the slot
-- is lost (null: any).
with server as (
  select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn
)
select (server.lsn - '0/0')::bigint, (server.lsn - slot.restart_lsn)::bigint, slot.safe_wal_size::bigint
from server, pg_catalog.pg_replication_slots slot
where slot.slot_name = $1
