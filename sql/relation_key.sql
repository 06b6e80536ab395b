-- The key of one relation ($1 = oid), a column name a row in the key's order: the primary key, otherwise the first unique
-- index by name that has plain columns only, as JDBC's metadata lists them.
with candidate as (
  select i.indexrelid, i.indkey::int2[] as attnums, i.indnkeyatts
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  where i.indrelid = $1::oid and i.indisunique and i.indisvalid and i.indexprs is null
  order by i.indisprimary desc, c.relname
  limit 1)
select a.attname
from candidate, generate_series(0, candidate.indnkeyatts - 1) n
join pg_catalog.pg_attribute a on a.attrelid = $1::oid
where a.attnum = candidate.attnums[n]
order by n
