insert into b.t (b1, b2, b8, b9, b64, b70, v, v1, v12, ba, va, d1, d8, dv, nn) select b1, b2, b8, b9, b64, b70, v, v1, v12, ba, va, d1, d8, dv, nn from b.t order by id;
update b.t set id = id + 1000 where id = 1;
delete from b.t where id = 2;
