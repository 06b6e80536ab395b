insert into t values (1, 'a', 's'); insert into two values (1, 'b', 'c');
insert into t values (2, 'b', 's'); update t set secret = 't' where id = 1; update t set id = 3 where id = 2; delete from t where id = 1; insert into two values (2, 'x', 'y'); update two set c = 'z'; update two set b = 'y' where a = 2; delete from two;
