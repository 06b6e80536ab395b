-- The columns of relations ($1 = array of oids), by oid: what pgoutput's RELATION message does not say,
-- and, for those that it has not named yet, which are in the replica identity.
-- All versions; no privilege beyond connecting. A generated column has its expression for a default.
select a.attname, a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid),
       col_description(a.attrelid, a.attnum), a.atttypid, a.atttypmod, a.attgenerated <> '', a.attrelid,
       a.attndims,
       c.relreplident = 'f' or coalesce(a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]), false),
       a.attnum
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_catalog.pg_index i on i.indrelid = a.attrelid and i.indisvalid and
          (c.relreplident = 'd' and i.indisprimary and i.indimmediate or c.relreplident = 'i' and i.indisreplident)
where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
