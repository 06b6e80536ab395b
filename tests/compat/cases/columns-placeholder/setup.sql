create table t (id int primary key, n int, p text, m text, h text, h2 text, c text, b bytea, j jsonb, a text[], i int[], u uuid[], by bytea[]);
do $$ declare col text; begin foreach col in array '{p,m,h,h2,c,b,j,a,i,u,by}'::text[] loop execute format('alter table t alter %I set storage external', col); end loop; end $$;
insert into t values (1, 1, repeat('p', 9000), repeat('m', 9000), repeat('h', 9000), repeat('h', 9000), repeat('c', 9000), decode(repeat('ab', 9000), 'hex'), to_jsonb(repeat('j', 9000)),
  array_fill('aaaaaaaaaa'::text, '{900}'), array_fill(7, '{5000}'), array_fill('11111111-2222-3333-4444-555555555555'::uuid, '{900}'), array_fill('\x0102030405'::bytea, '{900}'));
