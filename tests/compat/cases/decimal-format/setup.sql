create schema n;
create table n.t (k numeric(10,3) primary key, a numeric(38,10), b numeric, c numeric(5,-2), m money, l numeric(6,2)[], d numeric(8,4) not null default -1.25);
insert into n.t values (1.5, 12345678901234567890.0123456789, 1.50, 1200, '$1.50', '{1.5,-2.25,null}', 1), (0, 0, 0, 0, '0', '{}', 0), (-0.001, -0.0000000001, 1e-30, -100, '-$0.01', null, 2);
