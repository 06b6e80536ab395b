insert into e.t select id + 10, m, mn, mq, mc, ma, mca, r from e.t order by id;
update e.t set m = 'back\slash' where id = 1;
delete from e.t where id = 2;
insert into e.keyed values ('漢', 'c'); update e.keyed set m = 'so so' where m = 'sad'; delete from e.keyed where m = '';
-- wait
alter type e.mood add value 'first' before 'sad';
alter type e.mood rename value 'sad' to 'sadder';
-- wait
insert into e.t (id, m, r, ma) values (30, 'first', 'sadder', '{first}');
update e.t set mn = 'first' where id = 30;
