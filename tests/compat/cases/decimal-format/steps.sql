insert into n.t select k + 10, a, b, c, m, l, d from n.t order by k;
update n.t set k = 20 where k = 1.5;
delete from n.t where k = 0;
