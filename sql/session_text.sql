-- What shapes the text of values, as it was at the connection (engine/config_conninfo.c), whatever a user's statements set
-- since. Any session.
select set_config('DateStyle', 'ISO', false), set_config('IntervalStyle', 'postgres', false), set_config('TimeZone', 'UTC', false),
       set_config('extra_float_digits', '3', false), set_config('bytea_output', 'hex', false), set_config('lc_monetary', 'C', false),
       set_config('client_encoding', 'UTF8', false)
