create schema d; create type d.mood as enum ('a', 'b c', 'q"x'); create domain d.one as d.mood; create domain d.two as d.one check (value::text <> 'b c'); create domain d.arr as d.one[];
create table d.t (id int primary key, o d.one[], t d.two[], n d.one[] not null default '{a}', ar d.arr, big d.one[]); alter table d.t alter big set storage external;
insert into d.t values (1, '{a,"b c","q\"x"}', '{a}', '{}', '{a}', array_fill('a'::d.one, '{3000}')), (2, '{a,null}', '{}', '{a}', null, null);
