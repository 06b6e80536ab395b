insert into g.t (p, l, ls, lsn, pon, b, pa, po, c, pn, bn, cn, ln, ptn, paa, la, ba, ca, pla, pta, lsa) select p, l, ls, lsn, pon, b, pa, po, c, pn, bn, cn, ln, ptn, paa, la, ba, ca, pla, pta, lsa from g.t order by id;
update g.t set id = id + 1000 where id = 1;
delete from g.t where id = 2;
