-- What some tables ($1, their oids) are made of, as one text: where it has changed, ALTER TABLE has.
select string_agg(concat_ws(' ', c.oid, c.relam, c.relpersistence, a.attnum, a.atttypid, a.atttypmod, a.attisdropped, d.adbin::text), E'\n'
  order by c.oid, a.attnum)
from pg_catalog.pg_class c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0
left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.oid = any ($1::oid[])
