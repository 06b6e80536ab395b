create table t (id int primary key, v text default 'x', w int not null);
comment on table t is 'table'; comment on column t.id is 'key'; comment on column t.v is 'value "quoted"';
insert into t values (1, 'a', 2);
