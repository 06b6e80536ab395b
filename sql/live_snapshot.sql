-- What this transaction sees, and where the WAL ends: a browser's rows are joined to the stream with it.
select pg_current_snapshot(), case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end, pg_size_bytes(current_setting('wal_segment_size'))
