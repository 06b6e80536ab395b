insert into r.t values (1, 'own');
select pg_replication_origin_session_setup('edge_origin_' || current_database());
begin; select pg_replication_origin_xact_setup('0/AB12', '2020-01-01 00:00:00+00'); insert into r.t values (2, 'from afar'); insert into r.t values (3, 'and more'); select pg_logical_emit_message(true, 'p', 'm'); commit;
begin; select pg_replication_origin_xact_setup('1/1', '2020-01-02 00:00:00+00'); update r.t set v = 'x' where id = 2; update r.t set id = 30 where id = 3; delete from r.t where id = 1; truncate r.t; commit;
select pg_logical_emit_message(false, 'p', 'alone');
insert into r.t values (4, 'with session origin, no position');
select pg_replication_origin_session_reset();
insert into r.t values (5, 'own again'); select pg_logical_emit_message(true, 'p', 'own');
select pg_replication_origin_drop('edge_origin_' || current_database());
