truncate t.d, t.a cascade;
insert into t.a (v) values ('y'); insert into t.d values (2);
truncate t.d restart identity; truncate t.a restart identity cascade;
begin; insert into t.a (v) values ('z'); truncate t.a cascade; insert into t.a (v) values ('w'); commit;
begin; insert into t.d values (3); savepoint s; truncate t.d; rollback to s; commit;
truncate t.noid, t.d;
