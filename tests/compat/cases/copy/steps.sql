copy c.t (id, a, b) from stdin with (format csv, null 'nil');
4,"quoted ""x"", y",4.5
5,nil,nil
6,漢😀,0
\.
copy c.nokey from stdin;
1	x
\N	\N
\.
begin;
copy c.t (id, a) from stdin;
7	in transaction
\.
update c.t set b = 1 where id in (1, 7);
commit;
