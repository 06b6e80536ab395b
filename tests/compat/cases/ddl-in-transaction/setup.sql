create schema d;
create type d.size as enum ('s', 'm');
create table d.t(id int primary key, a text);
create table d.u(id int primary key, s d.size, n name);
insert into d.u values (1, 's', 'in a snapshot');
