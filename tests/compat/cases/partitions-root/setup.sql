create schema p;
create table p.m (id int, region text, v text default 'd', primary key (id, region)) partition by list (region);
create table p.m_eu partition of p.m for values in ('eu') partition by range (id);
create table p.m_eu_1 partition of p.m_eu for values from (0) to (10);
create table p.m_eu_2 partition of p.m_eu for values from (10) to (20);
create table p.m_us (region text, id int not null, extra int, v text default 'd', primary key (id, region)); alter table p.m_us drop column extra; alter table p.m_us alter region set not null; alter table p.m attach partition p.m_us for values in ('us');
insert into p.m values (1, 'eu', 'a'), (11, 'eu', 'b'), (2, 'us', 'c');
