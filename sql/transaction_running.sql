-- Whether one of some transactions ($1, an array of their xids) is still on its way out: its commit is in the WAL, and so in
-- the stream, a moment before other sessions see what it did. No row on a standby, which has no such locks.
select 1 from pg_catalog.pg_locks where locktype = 'transactionid' and transactionid::text = any ($1::text[]) and granted limit 1
