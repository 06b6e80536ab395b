insert into t.t (d, t, t0, t1, t3, t4, t6, tz, tz0, tz3, ts, ts0, ts2, ts3, ts5, z, z0, z1, z3, z5) select d, t, t0, t1, t3, t4, t6, tz, tz0, tz3, ts, ts0, ts2, ts3, ts5, z, z0, z1, z3, z5 from t.t order by id;
update t.t set id = id + 1000 where id = 1;
delete from t.t where id = 2;
