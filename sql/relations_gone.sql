-- Which of some tables ($1, an array of their oids) are gone, each beside the end of the WAL: all that was ever written to
-- them stands before that.
select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end, t.oid
from unnest($1::oid[]) as t(oid)
where not exists (select from pg_catalog.pg_class c where c.oid = t.oid)
