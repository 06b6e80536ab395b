-- One publication ($1): whether it is for all tables, what it leaves out, and its owner.
select puballtables, pubinsert and pubupdate and pubdelete, pg_catalog.pg_has_role(pubowner, 'usage'), pubowner::regrole::text
from pg_catalog.pg_publication
where pubname = $1
