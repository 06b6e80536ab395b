insert into h.t (h, nn, ha) select h, nn, ha from h.t order by id;
update h.t set id = id + 1000 where id = 1;
delete from h.t where id = 2;
