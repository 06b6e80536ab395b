insert into g.t (a) values (3); update g.t set a = 10 where a = 1; update g.t set b = null where a = 2; delete from g.t where a = 3;
insert into g.keyed (a, v) values (2, 'y');
insert into g.ful (a, v) values (2, 'y'); update g.ful set v = 'z'; update g.ful set a = 5 where a = 1; delete from g.ful;
