-- A row when a table ($1 = schema.table, unquoted), or a partition of it, is not any more what this transaction's snapshot sees: it
-- has other files (truncated, or written anew), or another table stands under its name.
select from pg_catalog.pg_class t
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
join pg_catalog.pg_class c on c.oid in (select t.oid union select p.relid from pg_catalog.pg_partition_tree(t.oid) p)
where t.relkind in ('r', 'p') and n.nspname || '.' || t.relname = $1
  and ((c.relkind = 'r' and c.relfilenode is distinct from pg_catalog.pg_relation_filenode(c.oid))
    or pg_catalog.to_regclass(format('%I.%I', n.nspname, t.relname))::oid is distinct from t.oid)
limit 1
