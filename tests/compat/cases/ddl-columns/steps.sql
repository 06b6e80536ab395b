insert into d.t values (2, 2, 'two', 2);
-- wait
alter table d.t alter a type bigint; insert into d.t values (3, 3000000000, 'three', 3);
-- wait
alter table d.t alter c type numeric(8,3); alter table d.t alter b set not null; insert into d.t values (4, 4, 'four', 4.125);
-- wait
alter table d.t alter b set default 'dflt'; insert into d.t (id) values (5);
-- wait
alter table d.t alter b drop not null, alter b drop default; insert into d.t (id) values (6); update d.t set b = null where id = 1;
-- wait
alter table d.t rename a to "A b"; insert into d.t values (7, 7, 'seven', 7);
-- wait
alter table d.t add z timestamptz default '2024-01-01 00:00+00' not null, add y int[] default '{1}'; insert into d.t (id) values (8);
-- wait
alter table d.t drop c; alter table d.t add c text; insert into d.t (id, c) values (9, 'new c');
-- wait
alter table d.t alter "A b" type text using 'n' || "A b"; insert into d.t (id, "A b") values (10, 'text');
delete from d.t where id = 1;
