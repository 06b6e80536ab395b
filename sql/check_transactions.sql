-- What creating a slot would wait for: transactions older than a minute that have written, and prepared ones.
-- Other roles' sessions are complete for members of pg_read_all_stats only.
select 'session ' || pid || ' of ' || coalesce(usename::text, '?') || ', ' || state,
       extract(epoch from pg_catalog.now() - xact_start)::bigint, 'SELECT pg_terminate_backend(' || pid || ');'
from pg_catalog.pg_stat_activity
where backend_xid is not null and xact_start < pg_catalog.now() - interval '1 minute' and pid <> pg_catalog.pg_backend_pid()
union all
select 'prepared transaction ' || gid, extract(epoch from pg_catalog.now() - prepared)::bigint,
       'ROLLBACK PREPARED ' || pg_catalog.quote_literal(gid) || ';'
from pg_catalog.pg_prepared_xacts
