insert into "a-b" values (1, 'x'); delete from "a-b";
