update t set n = 2; delete from t;
