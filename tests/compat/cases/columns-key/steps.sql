insert into t values (3, 'a', 'b'); update t set a = 'changed' where id = 3; update t set id = 4 where id = 3; update t set b = 'other' where id = 4; delete from t;
insert into reg values (2, 2, 'k', 3); update reg set z = 4; update reg set k2 = 'l' where id = 2; delete from reg;
insert into nokey values (2, 'z'); update nokey set y = 'n'; update nokey set x = 5 where x = 2; delete from nokey;
update miss set v = 'w'; delete from miss; update m1 set v = 'w'; update m1 set id = 9; delete from m1; update m2 set v = 'w'; update m2 set id = 9; delete from m2; update other set id = 3; delete from other;
