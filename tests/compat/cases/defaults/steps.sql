insert into f.constants (id) values (2); update f.constants set i4 = 1 where id = 2; delete from f.constants where id = 1;
insert into f.constants values (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into f.times (id) values (2); insert into f.times values (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into f.computed values (1, 1, 1, null, null, null, null, null, null, null, null, null, null, null, 1, 1, 1, null, null, null, null, null, 1, 1, 1, null, null, null, null, null, null);
update f.computed set id = 2; delete from f.computed;
