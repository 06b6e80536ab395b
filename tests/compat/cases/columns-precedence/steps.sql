insert into t values (2, 'aaaaaaaaaaaaaaa', 'bbbb', 'cccc', 'dddd', 'eeee', 'ffff', 'gggg', 'hhhh', 'zzzzzzzzzzzzzzz', 'Mixed'); delete from t where id = 1;
