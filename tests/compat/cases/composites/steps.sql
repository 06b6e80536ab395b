insert into c.t select id + 10, p, o, ps, row, r, v, t, last from c.t order by id;
update c.t set last = 5 where id = 1; update c.t set id = 100 where id = 2; delete from c.t where id = 100;
