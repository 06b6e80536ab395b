update i.a set v=$$y$$;
update i.b set v=$$y$$;
update i.b set u=11;
update i.c set v=$$y$$;
update i.e set v=$$y$$;
insert into i.d values (2,$$q$$);
delete from i.a;
delete from i.b;
delete from i.c;
