create schema c; create table c.t (id int primary key, a text, b numeric(6,2), d timestamptz default '2024-01-01 00:00+00'); create table c.nokey (a int, b text);
copy c.t (id, a, b) from stdin;
1	one	1.5
2	tab\tnl\n	\N
3		-2
\.
