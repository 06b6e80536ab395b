create schema x; create table x.a (id int primary key, v text); create table x.b (id int primary key, v text);
