-- A table by its name as events have it ($1 = schema.table, unquoted), without those that inherit from it, whose changes have their
-- own names; those of the columns ($2, a JSON array of names) that it still has, in their order; both quoted for use in a statement.
-- Then a condition: the rows that the publication ($3) has of it; null: all, as in versions before 15.
select case c.relkind when 'r' then 'ONLY ' else '' end || format('%I.%I', n.nspname, c.relname),
  (select string_agg(format('%I', w.name), ', ' order by w.at)
   from json_array_elements_text($2::json) with ordinality w(name, at)
   join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = w.name and a.attnum > 0 and not a.attisdropped),
  case when exists (select from pg_catalog.pg_publication_rel r where r.prrelid = c.oid and to_jsonb(r) ->> 'prqual' <> '')
    then (select to_jsonb(t) ->> 'rowfilter' from pg_catalog.pg_publication_tables t
          where t.pubname = $3 and t.schemaname = n.nspname and t.tablename = c.relname) end
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = $1
