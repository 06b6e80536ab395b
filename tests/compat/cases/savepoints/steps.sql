begin; insert into s.a values (1, 'kept'); savepoint one; insert into s.a values (2, 'undone'); savepoint two; insert into s.b values (1); rollback to one; insert into s.a values (3, 'kept too'); release one; commit;
begin; savepoint x; insert into s.a values (10, 'x'); release x; savepoint x; update s.a set v = 'y' where id = 10; rollback to x; savepoint y; delete from s.a where id = 1; release y; commit;
begin; savepoint z; insert into s.a values (20, 'gone'); rollback to z; commit;
begin; insert into s.a values (30, 'aborted'); rollback;
do $$ begin insert into s.a values (40, 'block'); begin insert into s.b values (40); perform 1 / 0; exception when others then insert into s.b values (41); end; end $$;
begin; create table s.c (id int); savepoint q; create table s.gone (id int primary key); insert into s.gone values (1); rollback to q; insert into s.a values (50, 'after'); drop table s.c; commit;
