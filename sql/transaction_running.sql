-- Whether a transaction ($1, its xid) is still on its way out: its commit is in the WAL, and so in the stream, a moment
-- before other sessions see what it did. No row on a standby, which has no such locks.
select 1 from pg_catalog.pg_locks where locktype = 'transactionid' and transactionid = $1::text::xid and granted
