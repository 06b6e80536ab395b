insert into b.t (b, a, nn, x) select b, a, nn, x from b.t order by id;
update b.t set id = id + 1000 where id = 1;
delete from b.t where id = 2;
insert into b.req values (1, '\x0102'); update b.req set id = 2; delete from b.req;
select pg_logical_emit_message(true, 'app', 'hello'); select pg_logical_emit_message(true, 'app', '\xfbff00'::bytea); select pg_logical_emit_message(true, 'app', '');
