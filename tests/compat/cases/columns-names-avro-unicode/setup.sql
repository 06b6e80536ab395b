create schema "Odd Schema"; create schema "9s";
create table "Odd Schema"."Mixed Case"("ID" int primary key, "with space" int, "a.b" int, "dash-ed" text, "ünï" text, "1st" int, "$d" int, "under_score" int, "_lead" int, "😀" int, "x😀y" int, "٣arabic" int, "数字" int, "tab	in" int, "Ȁx" int);
alter table "Odd Schema"."Mixed Case" replica identity full;
create table "9s"."9-lives"("key col" int primary key, "v_1" numeric);
insert into "Odd Schema"."Mixed Case" values (1, 2, 3, 4, 'u', 5, 6, 7); insert into "9s"."9-lives" values (1, 2);
create publication odd_pub for all tables;
