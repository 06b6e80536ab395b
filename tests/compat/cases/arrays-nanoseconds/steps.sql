insert into a.t (n, n62, d, tm, tm3, ttz, ts, ts3, tz) select n, n62, d, tm, tm3, ttz, ts, ts3, tz from a.t order by id;
update a.t set id = id + 1000 where id = 1;
delete from a.t where id = 2;
