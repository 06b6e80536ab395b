begin; insert into t values (4, '3000-01-01', 'd'); insert into t values (5, '2024-01-01', 'e'); insert into k values ('3000-01-01', 'x'); insert into k values ('2024-01-01', 'y'); commit;
update t set v = 'z'; update t set nn = '2025-01-01' where id = 4; update k set v = 'w'; insert into d values (2, '3000-01-01'); delete from t; delete from d;
