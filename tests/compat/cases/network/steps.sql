insert into n.t (i, c, m, m8, u, ia, ca, ma, m8a, ua, nn, cn, mn) select i, c, m, m8, u, ia, ca, ma, m8a, ua, nn, cn, mn from n.t order by id;
update n.t set id = id + 1000 where id = 1;
delete from n.t where id = 2;
