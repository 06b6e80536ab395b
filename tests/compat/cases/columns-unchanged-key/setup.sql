create table t (id int primary key, v text, hidden text); alter table t replica identity full; create table u (id int primary key, v text, w text); alter table u replica identity full;
