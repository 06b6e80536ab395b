-- Types by oid ($1 = array of oids, or null for all): what the decoder needs to know of them. Enum labels come as an array.
select t.oid, n.nspname, t.typname, t.typtype,
       case when t.typcategory = 'A' then t.typelem else 0 end, t.typbasetype, t.typtypmod, t.typnotnull,
       (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid)
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where ($1::oid[] is null or t.oid = any ($1::oid[]))
  and (t.typrelid = 0 or t.typtype = 'c' and exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
