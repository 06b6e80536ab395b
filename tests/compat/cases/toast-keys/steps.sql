update o.pk set v = 2; update o.ful set v = 2; update o.two set v = 2; update o.uq set v = 2; update o.bin set v = 2; update o.mk set v = 2;
update o.pk set k = k || 'x'; update o.ful set k = k || 'x'; update o.two set id = 2; update o.two set k = 'short'; update o.uq set id = 7; update o.uq set u = u || 'x'; update o.bin set k = 'a'; update o.mk set big = big || 'y';
update o.pk set big = 'small'; delete from o.pk; delete from o.ful; delete from o.two; delete from o.uq; delete from o.bin; delete from o.mk;
