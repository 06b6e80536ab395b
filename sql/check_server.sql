-- The server and the session's role, one row, for `walwire check`. PostgreSQL 10 and later; any role.
select current_setting('server_version_num')::int,
       current_setting('server_version'),
       -- from 19 on logical decoding is turned on by the first logical slot
       case when current_setting('server_version_num')::int >= 190000 and current_setting('wal_level') = 'replica'
            then 'logical' else current_setting('wal_level') end,
       current_setting('max_replication_slots')::int,
       (select count(*) from pg_catalog.pg_replication_slots),
       current_setting('max_wal_senders')::int,
       (select count(*) from pg_catalog.pg_stat_replication),
       current_setting('max_slot_wal_keep_size', true),
       pg_catalog.pg_is_in_recovery(),
       current_user,
       r.rolsuper,
       r.rolreplication,
       exists (select from pg_catalog.pg_roles g
               where g.rolname = 'rds_replication' and pg_catalog.pg_has_role(g.oid, 'member')),
       (select min(g.rolname::text) from pg_catalog.pg_roles g
        where g.rolname in ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin')),
       pg_catalog.has_database_privilege(current_database(), 'create'),
       current_setting('idle_replication_slot_timeout', true),
       current_setting('hot_standby_feedback')::bool and current_setting('primary_slot_name') <> ''
from pg_catalog.pg_roles r
where r.rolname = current_user
