insert into d.t (a, b, c, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y) select a, b, c, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y from d.t order by id;
update d.t set id = id + 1000 where id = 1;
delete from d.t where id = 2;
