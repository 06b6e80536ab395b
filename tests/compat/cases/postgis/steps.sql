insert into g.t (g, gp, gg, ggp, ga, gga, b, gn, ggn) select g, gp, gg, ggp, ga, gga, b, gn, ggn from g.t order by id;
update g.t set id = id + 1000 where id = 1;
delete from g.t where id = 2;
