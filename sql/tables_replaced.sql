-- Of some tables ($1, their oids) and their partitions those that are not any more what this transaction's snapshot sees: with other
-- files (truncated, or written anew), or with another table under their name. Their oids, as an array; NULL for none. Those that
-- were dropped are not listed.
select array_agg(c.oid)::text
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid in (select t.oid from unnest($1::oid[]) t(oid) union select p.relid from unnest($1::oid[]) t(oid), pg_catalog.pg_partition_tree(t.oid) p)
  and c.relkind in ('r', 'p')
  and (c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid)
    or pg_catalog.to_regclass(format('%I.%I', n.nspname, c.relname))::oid <> c.oid)
