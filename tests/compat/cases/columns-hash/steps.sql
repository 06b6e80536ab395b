insert into people values ('s1', 'plain text', 'short', 'fixed', 'c', 'a', 'wide text', 'required', default, default,
    'happy', 'named label', 'noted text', 'CaseText', 'object_name', '{"a": 1, "b": 2}', '{"a": 1, "b": 2}', '<a>b</a>',
    '11111111-2222-3333-4444-555555555555', 12345678, 1234567890123, 1234.56, 98765.4321, 12.34, true, '2024-02-03',
    '2024-02-03 04:05:06.789012+00', '2024-02-03 04:05:06.789', '04:05:06.123456', '1 day 2 hours', '\x0011223344556677', '101010101',
    '10.20.30.40/24', '08:00:2b:01:02:03', '(1.5,2.5)', 'some lexemes here', '[1,10)', '{one,two,three}', '{abc,def}', '{sad,ok}', repeat('0123456789', 500));
insert into people (id, required) values ('s2', '');
insert into people (id, plain, wide, required, texts) values ('s3', E'a\U0001F600b\U0001F600c', 'ünïcödé é', E'\U0001F600\U0001F601\U0001F602', '{}');
update people set plain = 'changed' where id = 'k1';
update people set longs = 'short now', feeling = 'sad' where id = 'k1';
update people set id = 'k4' where id = 'k2';
delete from people where id = 'k3';
alter table people replica identity default;
update people set required = 'again' where id = 'k1';
update people set longs = repeat('9876543210', 500) where id = 'k1';
update people set n = 1 where id = 'k1';
delete from people where id = 'k1';
