update "full" set hidden = 'other' where id = 1; update "full" set v = 'a' where id = 1; update "full" set v = 'x' where id = 1;
update "full" set cut = 'abcxyz' where id = 1; update "full" set cut = 'ab' where id = 1; update "full" set mask = 'secret2' where id = 1; update "full" set mask = null where id = 1;
update "full" set n = 1.50 where id = 1; update "full" set n = 1.5 where id = 1; update "full" set f = -0.0 where id = 1; update "full" set f = 0.0 where id = 1;
update "full" set h = 5 where id = 2; update "full" set h = null where id = 2; update "full" set h = 6 where id = 2; update "full" set arr = '{1,2}' where id = 1; update "full" set arr = '[5:6]={1,2}' where id = 1;
update "full" set id = 3, hidden = 'moved' where id = 2; update "full" set n = 'NaN' where id = 3; update "full" set big = big where id = 1; update "full" set big = big || 'x' where id = 1;
begin; update "full" set hidden = 'a'; update "full" set v = 'in tx' where id = 1; update "full" set hidden = 'b'; commit;
update plain set hidden = 'x'; update plain set v = 'a'; update plain set id = 2; update idx set hidden = 'x'; update idx set k = 11; update idx set v = 'v'; update idx set id = 2;
update nokey set w = 'b'; update nokey set w = 'c'; update onlykey set hidden = 'x'; update onlykey set id = 2; delete from "full"; delete from plain;
