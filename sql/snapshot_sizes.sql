-- How large tables are ($1: their oids; a row each, in that order): whether one can be read by ranges of blocks,
-- its blocks, and about how many rows it and its partitions have. Tables without statistics count 100 rows a block.
select coalesce(c.relkind = 'r' and a.amname = 'heap', false), coalesce(s.blocks, 0), coalesce(s.rows, 0)::bigint
from unnest($1::oid[]) with ordinality w(oid, at)
left join pg_catalog.pg_class c on c.oid = w.oid
left join pg_catalog.pg_am a on a.oid = c.relam
left join lateral (
  select sum(b.blocks)::bigint as blocks,
         sum(b.blocks * case when l.reltuples > 0 and l.relpages > 0 then l.reltuples / l.relpages else 100 end) as rows
  from (select c.oid union select t.relid from pg_catalog.pg_partition_tree(c.oid) t) p(oid)
  join pg_catalog.pg_class l on l.oid = p.oid
  cross join lateral (select pg_catalog.pg_relation_size(l.oid) / current_setting('block_size')::int as blocks) b) s on true
order by w.at
