insert into s.t (v, qy, va, qa, nn) select v, qy, va, qa, nn from s.t order by id;
update s.t set id = id + 1000 where id = 1;
delete from s.t where id = 2;
