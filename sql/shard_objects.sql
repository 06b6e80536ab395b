-- What walwire.slots has made in this database under the names $1 (publications) and $2 (slots), a number behind each: the kind,
-- that number, and whether a publication holds all tables.
select 'publication', substr(pubname::text, length($1) + 2), puballtables
from pg_catalog.pg_publication
where left(pubname::text, length($1) + 1) = $1 || '_' and substr(pubname::text, length($1) + 2) ~ '^(0|[1-9][0-9]?)$'
union all
select 'slot', substr(slot_name::text, length($2) + 2), false
from pg_catalog.pg_replication_slots
where database = current_database() and slot_type = 'logical'
  and left(slot_name::text, length($2) + 1) = $2 || '_' and substr(slot_name::text, length($2) + 2) ~ '^(0|[1-9][0-9]?)$'
order by 1, 2
