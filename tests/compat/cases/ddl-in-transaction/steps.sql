begin; insert into d.t values (1, 'before'); insert into d.u values (2, 'm', 'in the stream'); alter table d.t add column b int; insert into d.t values (2, 'after', 2); update d.t set b = 1 where id = 1; commit;
-- wait
alter type d.size add value 'l';
-- wait
begin; insert into d.t values (3, 'x', 3); insert into d.u values (3, 'l', null); insert into d.u values (4, 's', null); commit;
