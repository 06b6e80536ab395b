-- For each of the tables $1 (oid[]) the top of its partition tree, and which of the publications $2 (name[]) hold any part of
-- that tree: their places in the list, from 0, those that hold the top itself first. PostgreSQL 12 and later.
with member as (
  select b.place - 1 as shard, r.prrelid as oid
  from pg_catalog.unnest($2::name[]) with ordinality b(name, place)
  join pg_catalog.pg_publication p on p.pubname = b.name
  join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
  union
  select b.place - 1, c.oid
  from pg_catalog.unnest($2::name[]) with ordinality b(name, place)
  join pg_catalog.pg_publication_tables t on t.pubname = b.name
  join pg_catalog.pg_namespace n on n.nspname = t.schemaname
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
), part as (
  select coalesce(pg_catalog.pg_partition_root(oid)::oid, oid) as top, oid, shard from member
), tree as (
  select top, shard, bool_or(oid = top) as has_top from part group by top, shard
), held as (
  select top, string_agg(shard::text, ',' order by has_top desc, shard) as shards from tree group by top
)
select n.nspname, c.relname, held.shards
from pg_catalog.unnest($1::oid[]) with ordinality t(oid, place)
left join pg_catalog.pg_class c on c.oid = coalesce(pg_catalog.pg_partition_root(t.oid)::oid, t.oid)
left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join held on held.top = c.oid
order by t.place
