insert into t.t (d, ts, da, tsa, tza, z) select d, ts, da, tsa, tza, z from t.t order by id;
update t.t set id = id + 1000 where id = 1;
delete from t.t where id = 2;
