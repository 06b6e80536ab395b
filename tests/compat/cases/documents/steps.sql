insert into d.t (j, b, x, jn, bn, xn, ja, ba, xa) select j, b, x, jn, bn, xn, ja, ba, xa from d.t order by id;
update d.t set id = id + 1000 where id = 1;
delete from d.t where id = 2;
