-- Of some tables ($1, an array of their oids) those whose changes a publication ($2) has under their own name, by oid: of a
-- partitioned table its partitions, or, with publish_via_partition_root, the table and none of them. Beside it a column that the
-- publication leaves out, a row each; null for none.
select c.oid, a.attname
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join (select t.schemaname, t.tablename, to_jsonb(t) -> 'attnames' as columns -- since version 15
      from pg_catalog.pg_publication_tables t where t.pubname = $2) p
  on p.schemaname = n.nspname and p.tablename = c.relname
left join pg_catalog.pg_attribute a
  on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and not p.columns ? a.attname::text
where c.oid = any ($1::oid[])
order by c.oid
