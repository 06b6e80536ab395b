insert into a.t values (2, 'old', '{old}'); insert into b.t values (2, 'gone', '{open,gone}'); insert into a.x values (2, 'open', 'new');
update a.t set c = 'y' where id = 1; update b.t set c = 3 where id = 1; delete from a.t where id = 2; delete from b.t where id = 2;
