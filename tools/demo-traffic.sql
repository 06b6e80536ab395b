-- Keeps the shop busy until it is cancelled: one small transaction every 0.1 to 0.5 seconds.
-- Each action is a function; the procedure at the end draws one by weight. An order takes four steps, and more are
-- placed when few are open: as many arrive as leave, so that the tables stay small and never fall quiet. Run with psql -f.
create schema if not exists traffic;

create or replace function traffic.any_of(variadic choices text[]) returns text language sql volatile as
$$ select choices[1 + floor(random() * array_length(choices, 1))::int] $$;

-- A customer buys: the order and the smaller stock are one transaction.
create or replace function traffic.place_order() returns void language plpgsql as $$
declare item commerce.products; pieces int := 1 + floor(random() * 3)::int;
begin
    select * into item from commerce.products where stock >= pieces order by random() limit 1;
    if not found then return; end if;
    insert into public.orders (user_id, product_id, quantity, total)
        select id, item.id, pieces, pieces * item.price from commerce.users order by random() limit 1;
    update commerce.products set stock = stock - pieces, updated_at = clock_timestamp() where id = item.id;
end $$;

-- An order goes one step on; when it leaves the house a parcel appears, when it arrives the parcel is at the door.
create or replace function traffic.advance_order() returns void language plpgsql as $$
declare o public.orders;
begin
    select * into o from public.orders where status <> 'delivered' order by random() * (id + 20) limit 1;
    if not found then return; end if;
    update public.orders set updated_at = clock_timestamp(), status = case o.status
        when 'placed' then 'paid' when 'paid' then 'packed' when 'packed' then 'shipped' else 'delivered' end where id = o.id;
    if o.status = 'packed' then
        insert into public.shipments (order_id, carrier, location, eta) values
            (o.id, traffic.any_of('Norrpost', 'Falcon Freight', 'Blue Barge'), 'warehouse', current_date + 1 + floor(random() * 4)::int);
    elsif o.status = 'shipped' then
        update public.shipments set location = 'at the door', stops = stops + 1, eta = current_date, updated_at = clock_timestamp()
            where order_id = o.id;
    end if;
end $$;

create or replace function traffic.move_shipment() returns void language sql as $$
    update public.shipments set stops = stops + 1, updated_at = clock_timestamp(),
        location = traffic.any_of('Hamburg', 'Rotterdam', 'Lyon', 'Trieste', 'Gdańsk', 'Malmö', 'Porto', 'out for delivery')
    where id = (select s.id from public.shipments s join public.orders o on o.id = s.order_id
                where o.status = 'shipped' order by random() limit 1) $$;

-- Somebody thinks again: the goods go back on the shelf, the order is gone.
create or replace function traffic.cancel_order() returns void language plpgsql as $$
declare o public.orders;
begin
    select * into o from public.orders where status in ('placed', 'paid') order by random() limit 1;
    if not found then return; end if;
    update commerce.products set stock = stock + o.quantity, updated_at = clock_timestamp() where id = o.product_id;
    delete from public.orders where id = o.id;
end $$;

-- Old business leaves the table, so that the demo may run for days.
create or replace function traffic.archive_order() returns void language sql as $$
    delete from public.orders where id = (select id from public.orders where status = 'delivered' order by id limit 1)
        and (select count(*) from public.orders) > 60 $$;

create or replace function traffic.change_price() returns void language sql as $$
    update commerce.products set price = greatest(1, round(price * (0.93 + random() * 0.14)::numeric, 2)), updated_at = clock_timestamp()
    where id = (select id from commerce.products order by random() limit 1) $$;

create or replace function traffic.restock() returns void language sql as $$
    update commerce.products set stock = stock + 20 + floor(random() * 30)::int, updated_at = clock_timestamp()
    where id = (select id from commerce.products order by stock limit 1) $$;

create or replace function traffic.change_hero() returns void language sql as $$
    update public.super_heroes set power = least(100, greatest(1, power + floor(random() * 21)::int - 10)),
        team = case when random() < 0.3 then traffic.any_of('Harbor Guard', 'Night Shift', 'Green Belt', 'Long Noon') else team end,
        on_duty = random() < 0.8
    where id = (select id from public.super_heroes order by random() limit 1) $$;

create or replace procedure traffic.run() language plpgsql as $$
declare dice float;
begin
    loop
        dice := random();
        if dice < 0.13 then perform traffic.place_order();
        elsif dice < 0.60 then
            if (select count(*) from public.orders where status <> 'delivered') < 10 + random() * 20 then perform traffic.place_order();
            else perform traffic.advance_order();
            end if;
        elsif dice < 0.70 then perform traffic.move_shipment();
        elsif dice < 0.73 then perform traffic.cancel_order();
        elsif dice < 0.83 then perform traffic.archive_order();
        elsif dice < 0.88 then perform traffic.change_price();
        elsif dice < 0.91 then perform traffic.restock();
        else perform traffic.change_hero();
        end if;
        commit;
        perform pg_sleep(0.1 + random() * 0.4);
        commit;
    end loop;
end $$;

call traffic.run();
