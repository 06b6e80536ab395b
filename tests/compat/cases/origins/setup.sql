create schema r; create table r.t (id int primary key, v text); select pg_replication_origin_create('edge_origin_' || current_database());
