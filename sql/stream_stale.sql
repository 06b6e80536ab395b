-- Publications left behind by a `walwire stream` that was killed: those whose owner no longer holds the advisory lock of
-- their name. Takes the locks, so that nobody else cleans up at the same time. Dropping needs ownership of them.
select pubname
from pg_catalog.pg_publication
where pubname ~ '^walwire_stream_[0-9]+_[0-9]+(_inserts)?$'
  and pg_try_advisory_lock(hashtext(regexp_replace(pubname, '_inserts$', '')))
