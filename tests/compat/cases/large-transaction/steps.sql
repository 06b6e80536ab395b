begin; insert into l.t select g, 'row ' || g, g / 100.0, timestamptz '2024-01-01 00:00+00' + g * interval '1 second' from generate_series(10001, 30000) g; insert into l.u select generate_series(1, 5); commit;
delete from l.t where id between 10001 and 10500; update l.t set a = 'changed' where id % 50 = 0;
