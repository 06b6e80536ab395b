create schema e; create type e.mood as enum ('sad', 'ok'); create table e.t (id int primary key, m e.mood, a e.mood[]); insert into e.t values (1, 'sad', '{sad}');
