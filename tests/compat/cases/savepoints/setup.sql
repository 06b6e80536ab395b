create schema s; create table s.a (id int primary key, v text); create table s.b (id int primary key);
