insert into x.t (t, v, v10, c, c5, q, n, ci, b, u) select t, v, v10, c, c5, q, n, ci, b, u from x.t order by id;
update x.t set id = id + 1000 where id = 1;
delete from x.t where id = 2;
