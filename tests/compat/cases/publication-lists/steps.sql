insert into p.cols values (2, 'a2', 'b2', 's2'); update p.cols set secret = 'x' where id = 1; update p.cols set b = null where id = 1; update p.cols set id = 3 where id = 1; delete from p.cols;
insert into p.rowsonly values (2, 2), (12, 12); update p.rowsonly set v = 5; update p.rowsonly set id = 20 where id = 2; update p.rowsonly set id = 3 where id = 12; delete from p.rowsonly;
insert into p.ful values (2, 'a', 'b'); truncate p.ful; insert into p.swap values (2, 'a', 2, 'b'); delete from p.swap;
-- wait
alter publication own set table p.cols (id, a, secret), p.rowsonly; insert into p.cols values (5, 'five'); insert into p.rowsonly values (4, 4);
