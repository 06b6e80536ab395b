create table d.fresh (k uuid primary key, v jsonb default '{}'); insert into d.fresh values ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
-- wait
alter table d.t rename to renamed; insert into d.renamed values (2, 'two');
-- wait
drop table d.old; create table d.old (id text primary key, w numeric(4,1)); insert into d.old values ('x', 1.5);
-- wait
alter table d.renamed set schema elsewhere; 
-- wait
alter table elsewhere.renamed set schema d; insert into d.renamed values (4, 'back');
-- wait
alter table d.renamed drop constraint t_pkey; alter table d.renamed add primary key (a); insert into d.renamed values (5, 'new key');
-- wait
alter table d.renamed replica identity full; update d.renamed set id = 50 where id = 5;
-- wait
create table d.copied as select * from d.renamed; alter table d.copied replica identity full; insert into d.copied values (6, 'copied'); delete from d.copied where id = 6;
create unlogged table d.unlogged (id int primary key); insert into d.unlogged values (1); create temp table temporary (id int primary key); insert into temporary values (1);
create view d.v as select * from d.renamed; create materialized view d.mv as select * from d.renamed; refresh materialized view d.mv;
