insert into t values (3, '1500-01-01', 'b'); insert into t values (4, '2025-01-01', 'c'); update t set at = '4000-01-01'; delete from t;
