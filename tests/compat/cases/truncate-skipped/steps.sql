update t.a set v = 'y'; update t.a set id = 2; insert into t.a values (3, 'z'); delete from t.a where id = 2; truncate t.a; insert into t.a values (4, 'w');
