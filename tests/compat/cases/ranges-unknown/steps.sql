insert into r.t (i4, i8, n, ts, tz, d, mi4, mts, own, i4a, na, tza, mia, nn) select i4, i8, n, ts, tz, d, mi4, mts, own, i4a, na, tza, mia, nn from r.t order by id;
update r.t set id = id + 1000 where id = 1;
delete from r.t where id = 2;
