insert into x.t (n, q, tq, l, x, x8, s, p, td, ri, na, ia, ma, pa, la) select n, q, tq, l, x, x8, s, p, td, ri, na, ia, ma, pa, la from x.t order by id;
update x.t set id = id + 1000 where id = 1;
delete from x.t where id = 2;
