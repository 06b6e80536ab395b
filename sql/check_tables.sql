-- Of given tables ($1: oid[]), what the session's role may do with each, and whether a publication ($2) has it: itself, or
-- a partitioned table above it, or a partition below it. PostgreSQL 12 and later.
select n.nspname, c.relname,
       pg_catalog.has_schema_privilege(n.oid, 'usage'),
       pg_catalog.has_table_privilege(c.oid, 'select'),
       pg_catalog.pg_has_role(c.relowner, 'usage'),
       c.relowner::regrole::text,
       exists (select from pg_catalog.pg_publication_tables p
               join pg_catalog.pg_namespace pn on pn.nspname = p.schemaname
               join pg_catalog.pg_class pc on pc.relnamespace = pn.oid and pc.relname = p.tablename
               where p.pubname = $2
                 and (pc.oid = c.oid or pc.oid in (select pg_catalog.pg_partition_ancestors(c.oid))
                      or c.oid in (select pg_catalog.pg_partition_ancestors(pc.oid))))
from pg_catalog.unnest($1::oid[]) with ordinality t(oid, place)
join pg_catalog.pg_class c on c.oid = t.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
order by t.place
