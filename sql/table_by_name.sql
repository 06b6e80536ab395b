-- A table by its name as events have it ($1 = schema.table, unquoted), and those of the columns ($2, a JSON array of names)
-- that it still has, in their order; both quoted for use in a statement.
select format('%I.%I', n.nspname, c.relname),
  (select string_agg(format('%I', w.name), ', ' order by w.at)
   from json_array_elements_text($2::json) with ordinality w(name, at)
   join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = w.name and a.attnum > 0 and not a.attisdropped)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = $1
