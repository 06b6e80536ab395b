insert into n.t (i2, i4, i8, s2, s4, s8, b, o, f4, f8, fl, dec) select i2, i4, i8, s2, s4, s8, b, o, f4, f8, fl, dec from n.t order by id;
update n.t set id = id + 1000 where id = 1;
delete from n.t where id = 2;
