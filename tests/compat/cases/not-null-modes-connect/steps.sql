insert into n.t values (2, 1, 2, 3, 1.5, 2.5, 1.1, 2.2, '$1', true, 't', 'v', 'c', '\x01', B'1', B'00000001', B'1', '2024-01-01', '12:00', '12:00+00', '2024-01-01', '2024-01-01 00:00+00', '1 day', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{}', '{}', '<a/>', 'a=>1', '10.0.0.1', '08:00:2b:01:02:03', '(1,2)', '[1,2)', 'a.b', '{1}', '{a}', 'sad', 7, 'a', 'C', 5, '(1,1),(0,0)', '<(0,0),1>');
update n.t set id = 3 where id = 1;
update n.t set i4 = 4 where id = 2;
delete from n.t where id = 2;
delete from n.t;
