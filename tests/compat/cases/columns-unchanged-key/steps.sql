insert into t values (1, $$a$$, $$h$$); insert into u values (1, $$a$$, $$w$$);
update t set id = 2; update t set hidden = 'x'; update t set v = 'b'; update t set id = 3, v = 'c'; update u set v = 'b'; update u set id = 2; update u set w = 'x'; update u set w = null; delete from u; delete from t;
