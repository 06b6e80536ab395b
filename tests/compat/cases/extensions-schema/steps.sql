insert into app.t select 'c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', h, ha, hn, c, ca, cn, cd, l, la, ln, i, ia, cu, gen from app.t where id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
update app.t set gen = 'h' where id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'; delete from app.t where id = 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
update app.k set v = 2; update app.k set c = 'kEY'; delete from app.k;
