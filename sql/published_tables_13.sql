-- published_tables.sql on versions 13 and 14, which have no lists of columns and no schemas in publications. From 16 on the view
-- waits for each table's lock.
select c.oid, null
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_publication_tables p on p.schemaname = n.nspname and p.tablename = c.relname
where c.oid = any ($1::oid[]) and p.pubname = $2
order by c.oid
