insert into p.m values (4, 'eu', 'e'), (14, 'eu', 'f'), (5, 'us', 'g'), (6, 'yy', 'h');
update p.m set v = 'z' where id = 4; update p.m set region = 'us' where id = 14; update p.m set id = 12 where id = 4; delete from p.m where id = 6;
insert into p.h values (3, 3), (4, 4); update p.h set v = 9; truncate p.h;
alter table p.m detach partition p.m_us;
-- wait
insert into p.m_us (id, region, v) values (7, 'us', 'alone');
