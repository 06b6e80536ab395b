insert into t values (2, -0.05, null, default, default); insert into t values (3, 92233720368547758.07, '{}', null, 0); delete from t where id = 1;
