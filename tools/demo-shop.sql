-- The demo's shop: two tables of catalogue and customers, the orders and parcels that move, and some heroes.
create schema commerce;

create table commerce.users (
    id serial primary key,
    username text not null unique,
    email text,
    city text not null,
    created_at timestamptz(0) not null default now()
);

create table commerce.products (
    id serial primary key,
    name text not null,
    category text not null,
    price numeric(10, 2) not null check (price > 0),
    stock int not null check (stock >= 0),
    updated_at timestamptz(0) not null default now()
);

create table public.orders (
    id bigserial primary key,
    user_id int not null references commerce.users,
    product_id int not null references commerce.products,
    quantity int not null check (quantity > 0),
    total numeric(10, 2) not null,
    status text not null default 'placed' check (status in ('placed', 'paid', 'packed', 'shipped', 'delivered')),
    placed_at timestamptz(0) not null default now(),
    updated_at timestamptz(0) not null default now()
);
create index on public.orders (status);

create table public.shipments (
    id bigserial primary key,
    order_id bigint not null unique references public.orders on delete cascade,
    carrier text not null,
    tracking uuid not null default gen_random_uuid(),
    location text not null,
    stops int not null default 0,
    eta date,
    updated_at timestamptz(0) not null default now()
);

create table public.super_heroes (
    id serial primary key,
    name text not null unique,
    team text not null,
    power int not null check (power between 1 and 100),
    abilities text[] not null,
    on_duty boolean not null default true
);
-- With the whole old row in the log, a subscriber with a filter is told when a row leaves it.
alter table public.super_heroes replica identity full;

insert into commerce.users (username, email, city, created_at)
select name, case when n % 7 <> 0 then name || '@example.org' end, city, now() - n * interval '31 hours'
from unnest(
    array['amelie', 'bjorn', 'chidi', 'dana', 'elif', 'farid', 'greta', 'hiro', 'ines', 'jonas', 'kavya', 'lukas',
          'mei', 'nadia', 'oskar', 'priya', 'quentin', 'rosa', 'samir', 'tove', 'uma', 'viktor', 'wanda', 'yusuf'],
    array['Lyon', 'Oslo', 'Lagos', 'Porto', 'Izmir', 'Tunis', 'Graz', 'Osaka', 'Lisbon', 'Kassel', 'Pune', 'Brno',
          'Taipei', 'Sofia', 'Turku', 'Mumbai', 'Nantes', 'Sevilla', 'Cairo', 'Malmö', 'Delhi', 'Riga', 'Gdańsk', 'Ankara']
) with ordinality as t(name, city, n);

insert into commerce.products (name, category, price, stock) values
    ('Espresso grinder', 'kitchen', 189.00, 40), ('Pour-over kettle', 'kitchen', 64.50, 55),
    ('Cast-iron pan', 'kitchen', 42.90, 70), ('Walnut board', 'kitchen', 38.00, 35),
    ('Linen apron', 'kitchen', 29.90, 60), ('Desk lamp', 'office', 74.00, 45),
    ('Mechanical keyboard', 'office', 129.00, 50), ('Notebook, dotted', 'office', 12.50, 200),
    ('Fountain pen', 'office', 58.00, 65), ('Standing mat', 'office', 69.00, 30),
    ('Trail backpack', 'outdoor', 139.00, 40), ('Enamel mug', 'outdoor', 14.90, 150),
    ('Down jacket', 'outdoor', 219.00, 25), ('Head torch', 'outdoor', 44.00, 80),
    ('Hammock', 'outdoor', 59.00, 45), ('Record player', 'sound', 249.00, 20),
    ('Studio headphones', 'sound', 159.00, 35), ('Kalimba', 'sound', 34.00, 60);

-- The past week's orders, further along the older they are.
insert into public.orders (user_id, product_id, quantity, total, status, placed_at, updated_at)
select u, p.id, q, q * p.price, (array['delivered', 'shipped', 'packed', 'paid', 'placed'])[1 + (n - 1) / 8],
       now() - (41 - n) * interval '4 hours', now() - (41 - n) * interval '3 hours'
from (select n, 1 + (n * 7) % 24 as u, 1 + (n * 5) % 18 as item, 1 + n % 3 as q from generate_series(1, 40) n) o
join commerce.products p on p.id = o.item
order by n;

insert into public.shipments (order_id, carrier, location, stops, eta)
select id, (array['Norrpost', 'Falcon Freight', 'Blue Barge'])[1 + id % 3],
       case status when 'delivered' then 'at the door' else 'Hamburg' end, case status when 'delivered' then 4 else 1 end,
       current_date + case status when 'delivered' then -1 else 2 end
from public.orders where status in ('shipped', 'delivered');

insert into public.super_heroes (name, team, power, abilities) values
    ('Tidewatch', 'Harbor Guard', 81, '{"breathes water","reads currents"}'),
    ('Emberline', 'Night Shift', 77, '{"shapes fire"}'),
    ('Professor Lattice', 'Night Shift', 64, '{"bends metal","knows every theorem"}'),
    ('Quickstep', 'Harbor Guard', 70, '{"outruns sound"}'),
    ('Mossback', 'Green Belt', 88, '{"grows forests","sleeps standing"}'),
    ('Glasswing', 'Green Belt', 59, '{"turns unseen"}'),
    ('Captain Meridian', 'Long Noon', 93, '{"stops clocks"}'),
    ('Static', 'Long Noon', 52, '{"listens to wires","jams signals"}');
