insert into p.m values (4, 'eu', 'e'), (14, 'eu', 'f'), (5, 'us', 'g');
update p.m set v = 'z' where id = 4; update p.m set region = 'us' where id = 14; delete from p.m where id = 5; truncate p.m_us; truncate p.m;
create table p.m_new partition of p.m for values in ('new');
-- wait
insert into p.m values (9, 'new', 'n');
