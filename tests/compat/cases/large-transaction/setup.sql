create schema l; create table l.t (id int primary key, a text, b numeric(10,2), c timestamptz); create table l.u (id int primary key);
insert into l.t select g, 'snapshot ' || g, g / 100.0, timestamptz '2024-01-01 00:00+00' + g * interval '1 second' from generate_series(1, 1500) g;
