insert into q.a values (10, 'new'); insert into q."Mixed Case" values (3, 'c');
