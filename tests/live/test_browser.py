"""The live page in a headless Chromium: what happens in PostgreSQL is seen, coloured by what it was, and it heals itself."""
import os

from services import wait_until

SHOP = """
create table orders(id int primary key, customer text, total numeric(10,2), status text, placed timestamptz default now());
create table products(id int primary key, name text, stock int);
insert into orders select i, 'customer ' || i, i * 9.95, 'new', now() from generate_series(1, 25) i;
insert into products select i, 'thing ' || i, i from generate_series(1, 5) i;
"""


def opened(ctx, setup=SHOP):
    """Database, engine and a browser on its page, which shows the first table's rows."""
    db = ctx.database(setup)
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, kafka=False)
    engine.wait_streaming(spec, ctx.postgres)
    browser = ctx.browser()
    browser("open", url=engine.web)
    browser("wait", selector='body[data-state="live"]')
    return db, spec, engine, browser


def row(key, op=None):
    return f'#rows tbody tr[data-key="{key}"]' + (f'[data-op="{op}"]' if op else "")


def entry(key, op, table="public.orders"):
    return f'#log article[data-op="{op}"][data-key="{key}"][data-table="{table}"]'


def colour(browser, selector):
    return browser("eval", js=f"getComputedStyle(document.querySelector({selector!r})).color")["value"]


def shot(ctx, browser, name):
    """A picture of the page, for people: in SCREENSHOTS where that is set."""
    path = os.path.join(os.environ.get("SCREENSHOTS") or ctx.temp_dir(), name + ".png")
    browser("shot", path=path)
    assert os.path.getsize(path) > 5000
    return path


def test_insert_update_and_delete_appear_in_their_colours(ctx):
    db, _, _, browser = opened(ctx)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25), text="customer 25")
    assert browser("count", selector="#rows tbody tr")["count"] == 25
    ctx.postgres.psql("insert into orders values (100, 'Ada', 12.50, 'new')", db)
    browser("wait", selector=row(100, "c"), text="Ada")
    browser("wait", selector=entry(100, "c"), text="Ada")
    ctx.postgres.psql("update orders set status = 'paid' where id = 100", db)
    browser("wait", selector=row(100, "u"), text="paid")
    browser("wait", selector=entry(100, "u"), text="paid")
    browser("wait", selector=row(100, "u") + " td.changed", text="paid")
    ctx.postgres.psql("delete from orders where id = 7", db)
    browser("wait", selector=row(7, "d"))
    browser("wait", selector=entry(7, "d"))
    browser("wait", selector=row(7), gone=True)
    assert browser("count", selector="#rows tbody tr")["count"] == 25
    colours = {op: colour(browser, f'#log article[data-op="{op}"] .mark') for op in "cud"}
    assert len(set(colours.values())) == 3, colours
    shot(ctx, browser, "desktop")
    browser("scheme", value="dark")
    shot(ctx, browser, "dark")
    assert browser("errors")["errors"] == []


def test_another_table_and_all_changes_in_the_log(ctx):
    db, _, _, browser = opened(ctx)
    browser("pick", table="public.products")
    browser("wait", selector=row(5), text="thing 5")
    assert browser("text", selector="#table-name")["text"] == "public.products"
    browser("click", selector="#all")
    ctx.postgres.psql("update orders set status = 'sent' where id = 3; update products set stock = 77 where id = 2", db)
    browser("wait", selector=row(2, "u"), text="77")
    browser("wait", selector=entry(2, "u", "public.products"), text="77")
    wait_until(lambda: ctx.postgres.psql("update orders set status = 'sent' where id = 3", db) == "" and
               browser("count", selector=entry(3, "u"))["count"] > 0, 10, "a change of the other table")
    ctx.postgres.psql("truncate products", db)
    browser("wait", selector='#log article[data-op="t"]')
    browser("wait", selector=row(5), gone=True)
    assert browser("errors")["errors"] == []


def test_the_page_recovers_when_the_engine_is_restarted(ctx):
    """By itself, with what was committed meanwhile; after a clean end and after kill -9."""
    db, spec, engine, browser = opened(ctx)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    for n, end in enumerate((engine.sigterm, engine.sigkill), 200):
        end()
        browser("wait", selector='body:not([data-state="live"])')
        ctx.postgres.psql(f"insert into orders values ({n}, 'meanwhile', 1, 'new'); delete from orders where id = {n - 190}", db)
        wait_until(lambda: not ctx.postgres.streaming(spec["config"]["slot.name"]), 20)
        engine.start()
        browser("wait", selector='body[data-state="live"]', timeout=25000)
        browser("wait", selector=row(n), text="meanwhile", timeout=15000)
        browser("wait", selector=row(n - 190), gone=True)
        ctx.postgres.psql(f"update orders set status = 'after {n}' where id = 20", db)
        browser("wait", selector=row(20, "u"), text=f"after {n}")
    lost = [e for e in browser("errors")["errors"] if "WebSocket connection to" not in e and "ERR_CONNECTION_REFUSED" not in e]
    assert lost == []


def test_a_phone_shows_all_of_it_without_scrolling_sideways(ctx):
    db, _, _, browser = opened(ctx)
    for width, height in ((360, 740), (320, 640)):
        browser("size", width=width, height=height)
        browser("pick", table="public.orders")
        browser("wait", selector=row(25))
        ctx.postgres.psql(f"update orders set customer = repeat('a long name without a break', 20) where id = {width // 20}", db)
        browser("wait", selector=entry(width // 20, "u"))
        wide = browser("eval", js="document.scrollingElement.scrollWidth - innerWidth")["value"]
        assert wide <= 0, f"{wide} pixels too wide at {width}"
        cut = browser("eval", js="""[...document.querySelectorAll("header *, nav *, h1, h2, button")].filter(e => {
            const r = e.getBoundingClientRect(), inside = e.closest("#tabs, #scroll, #log, #pos, dd, svg");
            return r.width && !inside && (r.right > innerWidth + 1 || r.left < -1);
        }).map(e => e.outerHTML.slice(0, 80))""")["value"]
        assert cut == [], f"cut off at {width}: {cut}"
        shot(ctx, browser, f"phone-{width}")
    assert browser("errors")["errors"] == []
