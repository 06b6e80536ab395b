insert into n.t (u, p38, p38_10, p1, p5, p12_4, p18_18, p60_30, p1000, m) select u, p38, p38_10, p1, p5, p12_4, p18_18, p60_30, p1000, m from n.t order by id;
update n.t set id = id + 1000 where id = 1;
delete from n.t where id = 2;
insert into n.special (u, p, over, neg) select u, p, over, neg from n.special order by id;
update n.special set id = id + 1000 where id = 1;
delete from n.special where id = 2;
