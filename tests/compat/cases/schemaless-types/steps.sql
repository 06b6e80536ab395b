insert into s.t select id + 10, i8, f4, f8, n, u, t, by, b8, d, ts, tz, iv, j, h, p, c, pa, ia, ta, na, e, b, m from s.t order by id;
update s.t set i8 = null where id = 1; delete from s.t where id = 2;
