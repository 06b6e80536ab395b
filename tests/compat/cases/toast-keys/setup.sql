create schema o;
create table o.pk (k text primary key, v int, big text); alter table o.pk alter k set storage external, alter big set storage external;
create table o.ful (k text primary key, v int, big text); alter table o.ful alter k set storage external, alter big set storage external; alter table o.ful replica identity full;
create table o.two (id int, k text, v int, primary key (id, k)); alter table o.two alter k set storage external;
create table o.uq (id int primary key, u text not null, v int); alter table o.uq alter u set storage external; create unique index uq_u on o.uq (u); alter table o.uq replica identity using index uq_u;
create table o.bin (k bytea primary key, v int); alter table o.bin alter k set storage external;
create table o.mk (id int primary key, big text, v int); alter table o.mk alter big set storage external;
insert into o.pk values ((select string_agg(md5(g::text || 'a'), '') from generate_series(1, 75) g), 1, repeat('b', 5000)); insert into o.ful select * from o.pk; insert into o.two select 1, k, 1 from o.pk; insert into o.uq select 1, k, 1 from o.pk; insert into o.bin select k::bytea, 1 from o.pk; insert into o.mk values (1, repeat('m', 5000), 1);
