"""The examples, served beside the live page, by what a person sees: bubbles in their colours, totals that are the database's."""
import os

from services import ROOT, wait_until


def opened(ctx, path):
    with open(os.path.join(ROOT, "tools", "demo-shop.sql")) as f:
        db = ctx.database(f.read())
    spec = ctx.connector(db)
    engine = ctx.walwire(spec, kafka=False)
    engine.wait_streaming(spec, ctx.postgres)
    browser = ctx.browser()
    browser("open", url=engine.web + path)
    browser("wait", selector='body[data-state="live"]')
    return db, spec, engine, browser


def bubble(op, text):
    return {"selector": f'#talk article[data-op="{op}"]', "text": text}


def said(browser, op, part, column):
    """What the last bubble of this kind says of a column."""
    return browser("eval", js=f"""[...document.querySelectorAll('#talk article[data-op="{op}"]')].at(-1)
        .querySelector('.{part} [data-column="{column}"] dd').textContent""")["value"]


def test_a_hero_s_life_is_told_in_bubbles_with_before_and_after(ctx):
    db, _, _, browser = opened(ctx, "/examples/chat/?client=desk-7")
    browser("wait", selector="#count", text="8 heroes")
    assert browser("eval", js="document.querySelector('#name').value")["value"] == "desk-7"
    ctx.postgres.psql("insert into super_heroes (name, team, power, abilities) values ('Paperclip', 'Night Shift', 12, '{bends}')", db)
    browser("wait", **bubble("c", "Paperclip joins"))
    assert said(browser, "c", "after", "power") == "12"
    ctx.postgres.psql("update super_heroes set power = 99, team = 'Long Noon' where name = 'Paperclip'", db)
    browser("wait", **bubble("u", "Paperclip changes"))
    assert (said(browser, "u", "before", "power"), said(browser, "u", "after", "power")) == ("12", "99")
    assert (said(browser, "u", "before", "team"), said(browser, "u", "after", "team")) == ("Night Shift", "Long Noon")
    marked = browser("eval", js="[...document.querySelectorAll('#talk article[data-op=u] .after .differs')].map(e => e.dataset.column).join()")
    assert marked["value"] == "team,power"
    ctx.postgres.psql("delete from super_heroes where name = 'Paperclip'", db)
    browser("wait", **bubble("d", "Paperclip is gone"))
    assert said(browser, "d", "before", "power") == "99"
    browser("wait", selector="#count", text="8 heroes")
    ctx.postgres.psql("truncate super_heroes", db)
    browser("wait", **bubble("t", "All of them are gone"))
    browser("wait", selector="#count", text="0 heroes")
    colours = browser("eval", js="[...document.querySelectorAll('#talk article')].map(e => getComputedStyle(e).backgroundColor)")["value"]
    assert len(colours) == len(set(colours)) == 4, colours
    assert browser("errors")["errors"] == []


def test_the_window_s_name_is_the_server_s_name_for_it(ctx):
    _, spec, engine, browser = opened(ctx, "/examples/chat/?client=desk-7")
    assert engine.rest("PUT", "/admin/loggers/root", {"level": "DEBUG"})[0] == 200
    browser("fill", selector="#name", value="desk 9")
    browser("press", key="Enter")
    browser("wait", selector='body[data-state="live"]')
    wait_until(lambda: "desk 9" in engine.log(), 10, "the name in the log")


def totals(browser):
    return {name: browser("text", selector=f"#{name}")["text"] for name in ("revenue", "open", "moving", "stock")}


def expected(ctx, db):
    """The same totals, as PostgreSQL joins and adds them."""
    row = ctx.postgres.psql("""select to_char(sum(total) filter (where status <> 'placed'), 'FM€999,999,990.00'),
        count(*) filter (where status <> 'delivered'), count(*) filter (where status = 'shipped'),
        (select to_char(sum(stock), 'FM999,999') from commerce.products) from orders""", db).strip().split("|")
    return dict(zip(("revenue", "open", "moving", "stock"), row))


def test_the_dashboard_s_totals_are_those_of_the_database(ctx):
    db, _, _, browser = opened(ctx, "/examples/shop/")
    wait_until(lambda: totals(browser) == expected(ctx, db), 15, "the first totals")
    with open(os.path.join(ROOT, "tools", "demo-traffic.sql")) as f:
        traffic = f.read().split("create or replace procedure")[0]
    ctx.postgres.psql(traffic, db)
    before = totals(browser)
    for action in ("place_order", "advance_order", "move_shipment", "cancel_order", "change_price", "restock"):
        ctx.postgres.psql("".join(f"select traffic.{action}();" for _ in range(4)), db)
        wait_until(lambda: totals(browser) == expected(ctx, db), 10, f"the totals after {action}")
    assert totals(browser) != before
    assert browser("errors")["errors"] == []


def test_an_order_is_shown_with_its_product_and_its_parcel(ctx):
    db, _, _, browser = opened(ctx, "/examples/shop/")
    browser("wait", selector="#orders tr")
    ctx.postgres.psql("insert into orders (user_id, product_id, quantity, total, status) values (1, 18, 2, 68, 'shipped')", db)
    order = ctx.postgres.psql("select max(id) from orders", db).strip()
    line = f'#orders tr[data-key="{order}"]'
    browser("wait", selector=line, text="Kalimba")
    ctx.postgres.psql(f"insert into shipments (order_id, carrier, location) values ({order}, 'Norrpost', 'Porto')", db)
    browser("wait", selector=line, text="Norrpost: Porto")
    ctx.postgres.psql("update commerce.products set name = 'Thumb piano' where id = 18", db)
    browser("wait", selector=line, text="Thumb piano")
    ctx.postgres.psql(f"delete from orders where id = {order}", db)
    browser("wait", selector=line, gone=True)


def test_both_fit_a_phone(ctx):
    _, _, engine, browser = opened(ctx, "/examples/shop/")
    browser("size", width=360, height=740)
    for path, sign in (("/examples/shop/", "#orders tr"), ("/examples/chat/", "#count")):
        browser("open", url=engine.web + path)
        browser("wait", selector=sign)
        assert browser("eval", js="document.scrollingElement.scrollWidth - innerWidth")["value"] <= 0, path
