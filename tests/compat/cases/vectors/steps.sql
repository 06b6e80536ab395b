insert into v.t (v, h, s, va, ha, vn, hn) select v, h, s, va, ha, vn, hn from v.t order by id;
update v.t set id = id + 1000 where id = 1;
delete from v.t where id = 2;
