insert into t values (2, 'a', 'm', 'c', 'd', 'U', 'u', 'g', 2, 'g'); update s.x set c = 'd'; update s.x set id = 2; delete from s.x;
