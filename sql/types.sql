-- Types by oid ($1 = array of oids, or null for all): what the decoder needs to know of them. Enum labels, and of composites
-- each of the fields' names, types, typmods and dimensions, come as an array.
select t.oid, n.nspname, t.typname, t.typtype,
       case when t.typcategory = 'A' then t.typelem else 0 end, t.typbasetype, t.typtypmod, t.typnotnull,
       (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid),
       t.typndims, f.names, f.oids, f.typmods, f.dimensions
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join lateral (
  select array_agg(a.attname::text order by a.attnum) as names, array_agg(a.atttypid order by a.attnum) as oids,
         array_agg(a.atttypmod order by a.attnum) as typmods, array_agg(a.attndims order by a.attnum) as dimensions
  from pg_catalog.pg_attribute a
  where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) f on t.typtype = 'c'
where case when $1::oid[] is not null then t.oid = any ($1::oid[]) or t.oid in (select e.typelem from pg_catalog.pg_type e where e.oid = any ($1::oid[]))
           else t.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c') end
