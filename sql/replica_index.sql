-- The index that is a table's replica identity.
select i.relname
from pg_catalog.pg_index x
join pg_catalog.pg_class i on i.oid = x.indexrelid
where x.indrelid = $1::pg_catalog.oid and x.indisreplident
