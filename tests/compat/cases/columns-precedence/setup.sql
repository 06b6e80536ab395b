create table t (id int primary key, a text, b text, c text, d text, e varchar(20), f text, g varchar, h text, z text, "Mixed.Case" text);
insert into t values (1, 'aaaaaaaaaaaaaaa', 'bbbb', 'cccc', 'dddd', 'eeee', 'ffff', 'gggg', 'hhhh', 'zzzzzzzzzzzzzzz', 'Mixed');
