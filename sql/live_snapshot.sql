-- What this transaction sees, and where the WAL ends: a browser's rows are joined to the stream with it.
select pg_current_snapshot(), pg_current_wal_insert_lsn(), pg_size_bytes(current_setting('wal_segment_size'))
