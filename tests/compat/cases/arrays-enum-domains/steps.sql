insert into d.t select id + 10, o, t, n, ar, big from d.t order by id; update d.t set t = '{a}' where id = 1; update d.t set id = 100 where id = 1; delete from d.t where id = 2; alter type d.mood add value 'new';
-- wait
insert into d.t (id, o) values (5, '{new}');
