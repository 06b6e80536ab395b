-- The columns of relations ($1 = array of oids), by oid: what pgoutput's RELATION message does not say.
-- All versions; no privilege beyond connecting. A generated column has its expression for a default.
select a.attname, a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid),
       col_description(a.attrelid, a.attnum), a.atttypid, a.atttypmod, a.attgenerated <> '', a.attrelid,
       a.attndims
from pg_catalog.pg_attribute a
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
