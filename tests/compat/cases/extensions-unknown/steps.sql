insert into e.t (ci, l, lq, lt, isbn, isbn13, issn, ean, upc, ism, cu, sg, lo, cia, la, lan, isba, cua, cn, ln, isn) select ci, l, lq, lt, isbn, isbn13, issn, ean, upc, ism, cu, sg, lo, cia, la, lan, isba, cua, cn, ln, isn from e.t order by id;
update e.t set id = id + 1000 where id = 1;
delete from e.t where id = 2;
