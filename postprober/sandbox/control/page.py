"""The sandbox's own page at /: accounts, posts, faults, requests, and forms to add accounts and faults."""

import html
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.engine.emulator import DAY, emulators, faulty
from postprober.sandbox.engine.faults import KINDS, OPERATIONS, BadFault
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World, truth

_NEWEST = 25
_CSS = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 16%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}p{margin:.2rem 0 1rem;opacity:.75}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .8rem .35rem 0;vertical-align:top;
border-bottom:1px solid var(--line);overflow-wrap:anywhere}th{font-weight:600;opacity:.6;font-size:.85rem}
form{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end}label{display:grid;font-size:.8rem;gap:.15rem}
input,select,button{font:inherit;padding:.35rem .55rem;border:1px solid var(--line);border-radius:6px;
background:transparent}
button{background:#3757d6;color:#fff;border-color:#3757d6;cursor:pointer}.mark{display:inline-block;width:.7em;height:.7em;
border-radius:3px;margin-right:.45em;background:#888}.warn{color:#b3261e}
.platform,th{white-space:nowrap}td form{display:inline}td button{padding:.05rem .5rem;background:transparent;color:inherit;border-color:var(--line)}
"""


def _cell(value: Any) -> str:
    return html.escape("" if value is None else str(value))


def _table(head: str, rows: list[list[str]], nothing: str) -> str:
    """Cells are HTML already."""
    if not rows:
        return f"<p>{nothing}</p>"
    titles = "".join(f"<th>{title}</th>" for title in head.split("|"))
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _platform(name: str) -> str:
    one = emulators().get(name)
    colour = f' style="background:{one.look.colour}"' if one else ""
    return f'<span class="platform"><span class="mark"{colour}></span>{_cell(name)}</span>'


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _accounts(world: World) -> str:
    rows = [
        [_platform(a.platform), _cell(a.name), _cell(a.id), _cell(" ".join(a.scopes)), _cell(a.password)]
        for a in world.accounts.values()
    ]
    return _table("Platform|Name|Id|Scopes|App password", rows, "No accounts yet.")


def _posts(world: World, base: str) -> str:
    now = world.now()
    newest = sorted((p for p in world.posts.values() if p.landed(now)), key=lambda p: p.created_at)[-_NEWEST:]
    rows = []
    for post in reversed(newest):
        row = truth(world, post, base)
        state = "public" if row["visible"] else "deleted" if row["deleted_at"] else "ghost" if post.ghost else "hidden"
        link = f'<a href="{_cell(post.path)}">{_cell(post.text[:90]) or "(no text)"}</a>'
        mark = _cell(state) if row["visible"] else f'<span class="warn">{_cell(state)}</span>'
        rows.append([_platform(post.platform), _cell(post.account), link, mark, _time(post.created_at)])
    return _table("Platform|Account|Post|State|Created (UTC)", rows, "No posts yet.")


def _faults(world: World) -> str:
    rows = []
    for fault in world.plan.faults.values():
        if not fault.active:
            continue
        left = "until removed" if fault.times == 0 else f"{fault.times - fault.used} more"
        remove = f'<form method="post" action="/_form/fault/{fault.id}/remove"><button>Remove</button></form>'
        cells = [_cell(fault.account or "all"), _cell(fault.operation), _cell(fault.kind), _cell(left)]
        rows.append([_platform(fault.platform), *cells, _cell(json.dumps(fault.params)), remove])
    return _table("Platform|Account|Operation|Fault|Left|Parameters|", rows, "Nothing goes wrong at the moment.")


def _requests(world: World) -> str:
    rows = [
        [
            _time(row["at"]),
            _platform(row["platform"]),
            _cell(row["account"]),
            _cell(f"{row['method']} {row['path']}"),
            _cell(row["status"]) or '<span class="warn">no reply</span>',
            _cell(row["fault"]),
            _cell(" ".join(str(v) for v in (row["effect"] or {}).values())),
        ]
        for row in reversed(world.store.log(newest=_NEWEST))
    ]
    return _table("At (UTC)|Platform|Account|Request|Status|Fault|Effect", rows, "No requests yet.")


def _select(name: str, title: str, values: tuple[str, ...], first: str = "") -> str:
    options = "".join(f"<option>{value}</option>" for value in values)
    empty = f'<option value="">{first}</option>' if first else ""
    return f'<label>{title}<select name="{name}">{empty}{options}</select></label>'


def _forms() -> str:
    fault = (
        '<form method="post" action="/_form/fault">'
        + _select("platform", "Platform", (*faulty(), "any"))
        + _select("kind", "Fault", tuple(sorted(KINDS)))
        + _select("operation", "Operation", OPERATIONS, "usual for it")
        + '<label>Account<input name="account" placeholder="all"></label>'
        + '<label>Times (0: until removed)<input name="times" type="number" min="0" placeholder="1"></label>'
        + '<label>Parameters (JSON)<input name="params" placeholder=\'{"seconds": 5}\'></label>'
        + "<button>Add fault</button></form>"
    )
    account = (
        '<form method="post" action="/_form/account">'
        + _select("platform", "Platform", tuple(emulators()))
        + '<label>Name<input name="name" required></label><button>Add account</button></form>'
    )
    return f"<h2>Let something go wrong</h2>{fault}<h2>Add an account</h2>{account}"


def _page(world: World, base: str, message: str = "") -> str:
    warning = f'<p class="warn">{_cell(message)}</p>' if message else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>PostProber sandbox</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_CSS}</style></head><body>'
        "<h1>PostProber sandbox</h1><p>Social platforms, emulated. Nothing leaves this "
        f"machine.</p>{warning}{_forms()}<h2>Active faults</h2>{_faults(world)}"
        f"<h2>Newest posts</h2>{_posts(world, base)}"
        f"<h2>Accounts</h2>{_accounts(world)}<h2>Last requests</h2>{_requests(world)}</body></html>"
    )


async def _fields(request: Request) -> dict[str, str]:
    return {name: values[0].strip() for name, values in parse_qs((await request.body()).decode()).items()}


def routes(world: World) -> list[BaseRoute]:
    """The page and the forms on it."""

    def page(request: Request, message: str = "") -> Response:
        base = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
        return HTMLResponse(_page(world, base, message), 400 if message else 200)

    async def show(request: Request) -> Response:
        return page(request)

    async def add_fault(request: Request) -> Response:
        fields: dict[str, Any] = await _fields(request)
        try:
            fields["params"] = json.loads(fields.get("params", "{}"))
            world.save_fault(world.plan.add(fields, faulty()))
        except (BadFault, TypeError, ValueError) as error:
            return page(request, str(error))
        return RedirectResponse("/", 303)

    async def remove_fault(request: Request) -> Response:
        world.drop_fault(request.path_params["id"])
        return RedirectResponse("/", 303)

    async def add_account(request: Request) -> Response:
        fields = await _fields(request)
        platform, name = fields.get("platform", ""), fields.get("name", "")
        try:
            if world.account(platform, name) is None:
                account = world.add_account(platform, name, None, False, "")
                issue(world, account, account.scopes, age=2 * DAY)
        except ValueError as error:
            return page(request, str(error))
        return RedirectResponse("/", 303)

    return [
        Route("/", show),
        Route("/_form/fault", add_fault, methods=["POST"]),
        Route("/_form/fault/{id:int}/remove", remove_fault, methods=["POST"]),
        Route("/_form/account", add_account, methods=["POST"]),
    ]
