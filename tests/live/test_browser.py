"""The live page in a headless Chromium: what happens in PostgreSQL is seen, coloured by what it was, and it heals itself."""
import json, os, subprocess, urllib.error, urllib.request

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


def rows_shown(browser):
    """Keys of the rows on the page, those that are leaving left out."""
    return browser("eval", js="[...document.querySelectorAll('#rows tbody tr:not(.leaving)')].map(tr => tr.dataset.key)")["value"]


def condition(browser, n, column, op, value=None):
    """Fills line n of the filter."""
    line = f"#conditions .condition:nth-child({n})"
    browser("choose", selector=f"{line} .which", value=column)
    browser("choose", selector=f"{line} .how", value=op)
    if value is not None:
        browser("fill", selector=f"{line} .value", value=value)


def test_a_filter_is_built_by_hand_and_rows_enter_and_leave_it(ctx):
    db, _, _, browser = opened(ctx, SHOP + "alter table orders replica identity full; update orders set status = 'paid' where id < 4;")
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    browser("click", selector="#filter-open")
    condition(browser, 1, "status", "eq", "paid")
    browser("click", selector="#add")
    condition(browser, 2, "total", "gt", "10")
    browser("click", selector="#filter button[type=submit]")
    browser("wait", selector="#count", text="2 rows")
    assert rows_shown(browser) == ["3", "2"]
    assert browser("text", selector="#chips")["text"].replace("\n", " ").split(" ×")[0].strip().startswith("status = paid")
    ctx.postgres.psql("update orders set status = 'paid' where id = 9; update orders set status = 'sent' where id = 2; "
                      "update orders set status = 'sent' where id = 20", db)
    browser("wait", selector=row(9), text="paid")
    browser("wait", selector=entry(9, "c"), text="enters")
    browser("wait", selector=entry(2, "d"), text="leaves")
    browser("wait", selector=row(2), gone=True)
    assert browser("count", selector=entry(20, "u"))["count"] == 0
    assert sorted(rows_shown(browser)) == ["3", "9"]
    address = browser("eval", js="location.href")["value"]
    browser("open", url="about:blank")
    browser("open", url=address)  # a friend sees the same
    browser("wait", selector="#count", text="2 rows")
    browser("click", selector="#chips .chip:nth-child(1) button")
    browser("wait", selector="#count", text="24 rows")
    assert browser("errors")["errors"] == []


def test_a_filter_that_does_not_fit_says_why(ctx):
    _, _, _, browser = opened(ctx)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    browser("press", key="/")
    condition(browser, 1, "id", "eq", "seven")
    browser("press", key="Enter")
    browser("wait", selector="#trouble", text="id")
    browser("click", selector="#chips .chip button")
    browser("wait", selector=row(25))
    assert browser("eval", js="document.querySelector('#trouble').hidden")["value"]


def test_columns_are_chosen_and_the_key_stays(ctx):
    db, _, _, browser = opened(ctx)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    browser("click", selector="#columns-open")
    for name in ("customer", "placed", "total"):
        browser("click", selector=f'#column-list input[value="{name}"]')
    heads = "[...document.querySelectorAll('#rows th')].map(th => th.firstChild.data).join()"
    wait_until(lambda: browser("eval", js=heads)["value"] == "id,status", 10, "two columns")
    assert browser("eval", js="document.querySelector('#column-list input[value=id]').disabled")["value"]
    browser("wait", selector=row(25))
    ctx.postgres.psql("update orders set customer = 'nobody sees it', status = 'paid' where id = 5", db)
    browser("wait", selector=entry(5, "u"), text="paid")
    assert "nobody" not in browser("text", selector="main")["text"]
    browser("click", selector="#all-columns")
    browser("wait", selector=row(5), text="nobody sees it")
    assert browser("errors")["errors"] == []


def test_the_page_stands_still_and_goes_on_step_by_step(ctx):
    db, _, _, browser = opened(ctx)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    browser("press", key="r")
    browser("press", key=" ")
    browser("wait", selector='body[data-paused="true"]')
    for n in range(3):
        ctx.postgres.psql(f"insert into orders values ({100 + n}, 'late', 1, 'new')", db)
    browser("wait", selector="#waiting", text="3 changes waiting")
    assert browser("count", selector=row(100))["count"] == 0 and browser("count", selector="#log article")["count"] == 0
    browser("press", key=".")
    browser("wait", selector=row(100))
    browser("wait", selector=entry(100, "c"))
    browser("wait", selector="#waiting", text="2 changes waiting")
    assert browser("count", selector=row(101))["count"] == 0
    browser("click", selector="#step")
    browser("wait", selector=row(101))
    browser("click", selector="#pause")
    browser("wait", selector=row(102))
    assert browser("count", selector="#log article")["count"] == 3
    assert browser("text", selector="#count")["text"] == "28 rows"


def test_the_keyboard_does_it_all(ctx):
    _, _, _, browser = opened(ctx)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    browser("press", key="]")
    browser("wait", selector="#table-name", text="products")
    browser("wait", selector=row(5))
    browser("press", key="r")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        browser("press", key=key)
    browser("wait", selector="#row[open]", text="thing 4")
    browser("press", key="Escape")
    browser("press", key="?")
    browser("wait", selector="#help[open]", text="pause, resume")
    browser("press", key="Escape")
    browser("press", key="c")
    assert browser("eval", js="document.activeElement.value")["value"] == "name"
    browser("press", key="Escape")
    assert browser("eval", js="document.activeElement.id")["value"] == "columns-open"
    browser("press", key="[")
    browser("wait", selector="#table-name", text="orders")
    browser("press", key="a")
    assert browser("eval", js="document.querySelector('#all').checked")["value"]
    assert browser("errors")["errors"] == []


def test_colours_follow_the_system_until_somebody_chooses(ctx):
    _, _, _, browser = opened(ctx)

    def paper():
        return sum(map(int, browser("eval", js="getComputedStyle(document.body).backgroundColor.match(/\\d+/g).join()")["value"].split(",")[:3]))
    assert paper() > 600
    browser("scheme", value="dark")
    assert paper() < 100
    browser("press", key="t")
    assert paper() > 600, "light"
    browser("open", url="about:blank")
    browser("scheme", value="light")


def test_the_board_tells_of_lag_subscribers_and_connectors(ctx):
    db, spec, engine, browser = opened(ctx)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    mine = f'#connectors [data-connector="{spec["name"]}"]'
    browser("wait", selector=f'{mine}[data-state="RUNNING"]', text="running")
    wait_until(lambda: browser("text", selector="#subscribers")["text"] == "1", 10, "one subscriber")
    ctx.postgres.psql("update orders set status = 'paid' where id = 3", db)
    browser("wait", selector=entry(3, "u"))
    wait_until(lambda: browser("text", selector="#lag")["text"].endswith("s"), 10, "a lag")
    wait_until(lambda: "V" in (browser("eval", js="document.querySelector('#lag-graph path').getAttribute('d')")["value"] or ""), 10, "a bar")
    assert engine.rest("PUT", f"/connectors/{spec['name']}/pause")[0] == 202
    browser("wait", selector=f'{mine}[data-state="PAUSED"]', text="paused")
    assert engine.rest("PUT", f"/connectors/{spec['name']}/resume")[0] == 202
    bad = ctx.connector("no_such_database")
    engine.create(bad)
    browser("wait", selector=f'#connectors [data-connector="{bad["name"]}"][data-state="FAILED"]', text="no_such_database", timeout=20000)
    browser("wait", selector=f'{mine}[data-state="RUNNING"]', timeout=20000)


def test_what_rest_would_not_tell_the_board_does_not_show(ctx):
    """With a login for REST, the page beside it tells nothing of the connectors."""
    db, folder = ctx.database(SHOP), ctx.temp_dir()
    spec, users = ctx.connector(db), os.path.join(folder, "users")
    with open(users, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
        f.write(f"ada:{subprocess.run(['openssl', 'passwd', '-6', 'long enough'], capture_output=True, text=True, check=True).stdout.strip()}\n")
    engine = ctx.walwire(spec, kafka=False, start=False, walwire__rest__users__file=users)
    engine._answers = lambda: engine.rest("GET", "/connectors")[0] == 401
    engine.start()
    wait_until(lambda: ctx.postgres.streaming(spec["config"]["slot.name"]), 30)
    for path in ("/connectors", "/metrics", "/subscribers.json"):
        assert get(engine.web + path) == 404, path
    browser = ctx.browser()
    browser("open", url=engine.web)
    browser("pick", table="public.orders")
    browser("wait", selector=row(25))
    assert browser("eval", js="[...document.querySelectorAll('.tile')].filter(t => t.checkVisibility()).length")["value"] == 2


def test_the_page_passes_on_states_and_nothing_else(ctx):
    _, spec, engine, _ = opened(ctx)
    assert get(engine.web + "/connectors") == 200
    assert get(engine.web + "/connectors?expand=info") == 200
    with urllib.request.urlopen(engine.web + "/connectors?expand=info", timeout=5) as reply:
        assert list(json.load(reply)[spec["name"]]) == ["status"]
    for path in (f"/connectors/{spec['name']}", f"/connectors/{spec['name']}/config", "/admin/loggers", "/connector-plugins"):
        assert get(engine.web + path) == 404, path
    for method in ("POST", "PUT", "DELETE"):
        assert get(engine.web + "/connectors", method) in (404, 405), method
    for header in ("X-Forwarded-For", "Via"):
        assert get(engine.web + "/metrics", headers={header: "203.0.113.9"}) == 404, header


def get(url, method="GET", headers={}):
    """The status code."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=5) as reply:
            return reply.status
    except urllib.error.HTTPError as e:
        return e.code
