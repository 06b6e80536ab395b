-- The columns of one relation ($1 = oid): what pgoutput's RELATION message does not say.
-- All versions; no privilege beyond connecting. Generated columns have an expression but no default.
select a.attname, a.attnotnull,
       case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
       col_description(a.attrelid, a.attnum), a.atttypid, a.atttypmod, a.attgenerated <> ''
from pg_catalog.pg_attribute a
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
