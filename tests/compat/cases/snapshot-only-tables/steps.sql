insert into q.empty values (1, 'x'); insert into q.other values (2); insert into q.a values (3, 'c');
