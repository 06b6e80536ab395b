-- The keys of relations ($1 = array of oids), by oid, a column name a row in the key's order: the primary key, otherwise the
-- first unique index by name that has plain columns only, with those that it includes, as JDBC's metadata lists them.
with candidate as (
  select distinct on (i.indrelid) i.indrelid, i.indkey::int2[] as attnums,
         case when i.indisprimary then i.indnkeyatts else i.indnatts end as width
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  where i.indrelid = any ($1::oid[]) and i.indisunique and i.indisvalid and i.indexprs is null
  order by i.indrelid, i.indisprimary desc, c.relname)
select a.attname, candidate.indrelid
from candidate
cross join lateral unnest(candidate.attnums) with ordinality as k (attnum, n)
join pg_catalog.pg_attribute a on a.attrelid = candidate.indrelid and a.attnum = k.attnum
where k.n <= candidate.width
order by candidate.indrelid, k.n
