insert into a.t (b, i2, i4, i8, f4, f8, n, n62, o, t, v, c, qc, ci, by, d, tm, tm3, ttz, ts, ts3, tz, u, j, jb, x, e, h, bt, b1, vb, m, iv, inet, r, na) select b, i2, i4, i8, f4, f8, n, n62, o, t, v, c, qc, ci, by, d, tm, tm3, ttz, ts, ts3, tz, u, j, jb, x, e, h, bt, b1, vb, m, iv, inet, r, na from a.t order by id;
update a.t set id = id + 1000 where id = 1;
delete from a.t where id = 2;
