select pg_logical_emit_message(true, 'app', 'hello'); select pg_logical_emit_message(true, 'app.sub', 'sub'); select pg_logical_emit_message(true, 'secret', 'hidden'); select pg_logical_emit_message(false, 'app', 'outside'); select pg_logical_emit_message(true, '', 'no prefix'); select pg_logical_emit_message(true, 'Ünï 😀', 'é漢😀'); select pg_logical_emit_message(true, 'App', '');
begin; insert into m.t values (1, 'before'); select pg_logical_emit_message(true, 'app', 'inside'); insert into m.t values (2, 'after'); select pg_logical_emit_message(false, 'app', 'at once'); select pg_logical_emit_message(true, 'other', '\x00ff'::bytea); commit;
begin; select pg_logical_emit_message(true, 'app', 'rolled back'); rollback;
begin; select pg_logical_emit_message(true, 'app', 'kept'); savepoint s; select pg_logical_emit_message(true, 'app', 'undone'); rollback to s; commit;
begin; select pg_logical_emit_message(true, 'app', 'only message'); commit;
insert into m.t values (3, 'end');
