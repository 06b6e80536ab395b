insert into o.t (o, rc, rp, rt, rr, rn, ro, x, x8, c, td, iv, ov, n, l, oa, na, rca, iva, o_n, ivn) select o, rc, rp, rt, rr, rn, ro, x, x8, c, td, iv, ov, n, l, oa, na, rca, iva, o_n, ivn from o.t order by id;
update o.t set id = id + 1000 where id = 1;
delete from o.t where id = 2;
