-- Every table that could be captured: ordinary and partitioned ones outside the system schemas.
select n.nspname, c.relname, c.oid, c.relkind, c.relreplident,
       exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence = 'p'
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname !~ '^pg_(temp|toast)'
order by n.nspname, c.relname
