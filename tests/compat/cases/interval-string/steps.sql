insert into i.t (i, i0, i3, y, h, a) select i, i0, i3, y, h, a from i.t order by id;
update i.t set id = id + 1000 where id = 1;
delete from i.t where id = 2;
