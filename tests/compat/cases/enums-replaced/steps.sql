insert into e.t values (2, 'ok', '{ok}');
-- wait
create type e.mood_new as enum ('sad', 'wild');
-- wait
update e.t set m = 'sad', a = '{sad}'; alter table e.t alter m type e.mood_new using m::text::e.mood_new, alter a type e.mood_new[] using a::text[]::e.mood_new[]; insert into e.t values (3, 'wild', '{wild}');
-- wait
drop type e.mood; alter type e.mood_new rename to mood; insert into e.t values (4, 'wild', '{wild,sad}');
-- wait
alter table e.t add x int; insert into e.t values (5, 'wild', '{wild,sad}');
