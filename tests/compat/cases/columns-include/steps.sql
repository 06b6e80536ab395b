insert into t values (1, 'a', 1, 's'); insert into two values (1, 'b', 'c');
insert into t values (2, 'b', 2, 's'); update t set secret = 't' where id = 1; delete from t where id = 1; alter table two add added text; insert into two values (2, 'x', 'y', 'z'); update two set c = 'z'; update two set b = 'y' where a = 2; delete from two;
