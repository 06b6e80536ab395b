alter table d.t add b int default (random() * 0)::int; insert into d.t values (3, 3, 3);
-- wait
begin; alter table d.t alter a type text; update d.t set a = 'in tx' where id = 1; commit;
-- wait
vacuum full d.t; cluster d.t using t_pkey; reindex table d.t; insert into d.t values (4, 'four', 4);
-- wait
begin; insert into d.t values (5, 'five', 5); alter table d.t add c text default 'later'; insert into d.t values (6, 'six', 6); commit;
-- wait
begin; create table d.n (id int primary key); insert into d.n values (1); alter table d.n add v text; insert into d.n values (2, 'two'); commit;
-- wait
begin; alter table d.t drop b; rollback; insert into d.t values (7, 'seven', 7, 'c');
