insert into a.t (b, i2, i4, i8, f4, f8, n, n62, o, d, tm, ttz, ts, tz, inet, t, e, nn, tn, td, sized, two) select b, i2, i4, i8, f4, f8, n, n62, o, d, tm, ttz, ts, tz, inet, t, e, nn, tn, td, sized, two from a.t order by id;
update a.t set id = id + 1000 where id = 1;
delete from a.t where id = 2;
