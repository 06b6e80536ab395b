-- Which session holds the advisory lock of a slot: $1 and $2 are its two numbers.
select pid
from pg_catalog.pg_locks l
join pg_catalog.pg_database d on d.oid = l.database
where l.locktype = 'advisory' and d.datname = current_database() and l.granted
  and l.classid::int8 = $1::int8 and l.objid::int8 = $2::int8 and l.objsubid = 2
