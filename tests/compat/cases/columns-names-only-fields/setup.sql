create table "a-b" ("c-d" int primary key, "e f" text);
