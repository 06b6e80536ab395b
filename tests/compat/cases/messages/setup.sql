create schema m; create table m.t (id int primary key, v text);
