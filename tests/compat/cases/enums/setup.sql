create schema e;
create type e.mood as enum ('sad', 'so so', 'gl,ad', 'q''uote', 'dq"uote', 'back\slash', '漢', '');
create type e."Mixed Case" as enum ('A', 'b');
create table e.t (
    id int primary key, m e.mood, mn e.mood not null default 'so so', mq e.mood default 'q''uote', mc e."Mixed Case" not null default 'A',
    ma e.mood[], mca e."Mixed Case"[] default '{A}', r e.mood not null
);
create table e.keyed (m e.mood primary key, v text);
insert into e.t values (1, 'sad', 'gl,ad', 'dq"uote', 'b', '{sad,"so so","gl,ad","q''uote","dq\"uote","back\\slash",漢,""}', '{A,b}', 'sad');
insert into e.t (id, r) values (2, '漢');
insert into e.keyed values ('sad', 'a'), ('', 'b');
