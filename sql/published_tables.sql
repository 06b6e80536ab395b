-- Of some tables ($1, an array of their oids) those whose changes a publication ($2) has under their own name, by oid: of a
-- partitioned table its partitions, or, with publish_via_partition_root, the topmost that the publication names and none beneath.
-- Beside it a column that the publication leaves out, a row each; null for none. Waits for no table's lock.
with p as (select oid, puballtables, pubviaroot from pg_catalog.pg_publication where pubname = $2),
named as (
  select r.prrelid as oid from pg_catalog.pg_publication_rel r join p on r.prpubid = p.oid
  union
  select c.oid from pg_catalog.pg_publication_namespace s join p on s.pnpubid = p.oid
  join pg_catalog.pg_class c on c.relnamespace = s.pnnspid and c.relkind in ('r', 'p')
  union
  select c.oid from pg_catalog.pg_class c join p on p.puballtables where c.relkind in ('r', 'p')),
family as (
  select c.oid, c.relkind, f.relid from pg_catalog.pg_class c
  cross join lateral (select c.oid as relid union select relid from pg_catalog.pg_partition_ancestors(c.oid)) f
  where c.oid = any ($1::oid[])),
told as (
  select f.oid, f.relkind, bool_or(f.relid = f.oid) as itself, bool_or(f.relid <> f.oid) as above
  from family f join named on named.oid = f.relid
  group by f.oid, f.relkind)
select t.oid, a.attname
from told t
cross join p
left join pg_catalog.pg_publication_rel r on r.prpubid = p.oid and r.prrelid = t.oid
left join pg_catalog.pg_attribute a
  on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped and a.attnum <> all (r.prattrs::int2[])
where case when p.pubviaroot then t.itself and not t.above else t.relkind = 'r' end
order by t.oid
