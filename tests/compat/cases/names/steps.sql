insert into "Odd Schema"."Mixed Case" values (2, 's', 2, 3, 4, 'u', 5, 6, 7, 'q', 8); update "Odd Schema"."Mixed Case" set "ID" = 9 where "ID" = 1; delete from "Odd Schema"."Mixed Case" where "ID" = 2;
insert into "ünï"."täble" values (2, 'y'); delete from "ünï"."täble"; insert into "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"."ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt" values (2, 3);
insert into "Odd Schema"."dot.ted" values (2, 2); insert into "Odd Schema"."UPPER" values (2, 3, 4); insert into "Odd Schema"."_under-score #1" values (2, 2);
