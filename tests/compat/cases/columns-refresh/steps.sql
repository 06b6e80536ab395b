insert into t values (2, 'b', 3); comment on column t.w is 'later'; alter table t add x int; insert into t values (3, 'c', 4, 5); delete from t where id = 1;
