"""The HTML of Instagram's web pages for a signed-in person, as far as an adapter by browser meets them.

Instagram documents none of this. From public automation code come: `svg[aria-label="New post"]` in the navigation, the
file input of the dialog, the buttons "Next", "Next" and "Share", `aria-label="Write a caption..."`, the words "Your post
has been shared.", the profile picture's alternative text, `/p/CODE/` links in the profile's grid, `time[datetime]`, and
the paths `/accounts/login/` and `/challenge/`. Ours: everything else, above all the look, the step names, and what the
page does when the answer to "Share" is no success.
"""

import html
from collections.abc import Sequence
from typing import Any

from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.timefmt import iso

_CSS = """
body{margin:0;font:15px/1.5 system-ui,sans-serif;background:#fafafa;color:#111}nav{display:flex;gap:1.5rem;padding:1rem;
background:#fff;border-bottom:1px solid #ddd;align-items:center}main{max-width:40rem;margin:1rem auto;padding:0 1rem}
[role=dialog]{position:fixed;inset:8% 20%;background:#fff;border:1px solid #999;padding:1rem;overflow:auto}
[hidden]{display:none!important}[contenteditable]{border:1px solid #bbb;min-height:4rem;white-space:pre-wrap}
.grid{display:grid;grid-template-columns:repeat(3,1fr);gap:4px}.grid a{border:1px solid #ddd;padding:1rem}
h1.caption{white-space:pre-wrap;font-size:1rem;font-weight:400;overflow-wrap:anywhere}img{max-width:100%}
"""


def shell(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_CSS}</style></head><body>{body}</body></html>"
    )


def _nav(base: str, name: str) -> str:
    safe = html.escape(name)
    return (
        f'<nav role="navigation"><a href="{base}/"><svg aria-label="Home" role="img" width="24" height="24"></svg></a>'
        '<a href="#" role="link" id="new"><svg aria-label="New post" role="img" width="24" height="24">'
        '<rect width="24" height="24"/></svg><span>Create</span></a>'
        f'<a href="{base}/{safe}/" role="link"><img alt="{safe}\'s profile picture" width="24" height="24" '
        'src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="><span>Profile</span></a></nav>'
    )


_DIALOG = """
<div role="dialog" aria-label="Create new post" id="dialog" hidden>
 <div id="pick"><h2>Create new post</h2><p>Drag photos and videos here</p>
  <form><input type="file" accept="image/jpeg,image/png,image/heic,image/heif,video/mp4,video/quicktime"></form></div>
 <div id="crop" hidden><h2>Crop</h2><div role="button" tabindex="0" data-next="filter">Next</div></div>
 <div id="filter" hidden><h2>Edit</h2><div role="button" tabindex="0" data-next="details">Next</div></div>
 <div id="details" hidden><h2>Create new post</h2>
  <div aria-label="Write a caption..." role="textbox" contenteditable="true"></div>
  <div role="button" tabindex="0" id="more">Accessibility</div>
  <div id="alt" hidden><input type="text" placeholder="Write alt text..."></div>
  <div role="button" tabindex="0" id="share">Share</div></div>
 <div id="sharing" hidden><h2>Sharing</h2></div>
 <div id="shared" hidden><h2>Post shared</h2><p>Your post has been shared.</p></div>
 <div id="broken" hidden><h2>Post couldn't be shared</h2><p>Your post could not be shared. Please try again.</p>
  <div role="button" tabindex="0" id="again">Try again</div></div>
</div>
"""
# STICKY: the page that leaves the button where it is, as if the click had been lost: whoever clicks again posts again.
_SCRIPT = """
const $ = (id) => document.getElementById(id), dialog = $("dialog");
const STEPS = ["pick", "crop", "filter", "details", "sharing", "shared", "broken"];
const show = (id) => { for (const step of STEPS) $(step).hidden = step !== id; };
const caption = dialog.querySelector("[contenteditable]");
let file = null;
$("new").onclick = (e) => { e.preventDefault(); dialog.hidden = false; show("pick"); };
dialog.querySelector("input[type=file]").onchange = (e) => { file = e.target.files[0]; show("crop"); };
for (const b of dialog.querySelectorAll("[data-next]")) b.onclick = () => show(b.dataset.next);
$("more").onclick = () => { $("alt").hidden = !$("alt").hidden; };
let typed = "";
const lines = () => { caption.normalize(); return [...caption.childNodes].map((n) => n.textContent).join("\\n"); };
const post = async () => {
  typed = $("details").hidden ? typed : lines();
  if (!STICKY) show("sharing");
  try {
    const up = await fetch(BASE + "/rupload_igphoto/" + Date.now(), {method: "POST", body: file});
    const {upload_id} = await up.json();
    const body = new URLSearchParams({upload_id, caption: typed,
      custom_accessibility_caption: $("alt").querySelector("input").value});
    const reply = await fetch(BASE + "/api/v1/media/configure/", {method: "POST", body});
    const text = await reply.text();
    if (reply.redirected && reply.url.includes("/challenge/")) { location = reply.url; return; }
    if (!reply.ok || JSON.parse(text).status !== "ok") throw new Error(reply.status);
    show("shared");
  } catch (error) { show("broken"); }
};
$("share").onclick = post; $("again").onclick = post;
"""


def feed(base: str, name: str, *, sticky: bool) -> str:
    """The home page with the create dialog. `sticky`: the Share button stays."""
    script = f"const BASE={base!r}, STICKY={'true' if sticky else 'false'};{_SCRIPT}"
    return shell("Instagram", f"{_nav(base, name)}<main><p>Feed</p></main>{_DIALOG}<script>{script}</script>")


def profile(base: str, name: str, posts: Sequence[Post], total: int) -> str:
    """The grid, newest first."""
    cells = "".join(f'<a href="{base}/p/{p.extra["shortcode"]}/" role="link">post</a>' for p in posts)
    header = f"<header><h2>{html.escape(name)}</h2><ul><li><span>{total:,}</span> posts</li></ul></header>"
    return shell(name, f'{_nav(base, name)}<main role="main">{header}<div class="grid">{cells}</div></main>')


def post(base: str, viewer: str, shown: Post, likes: int, images: str) -> str:
    """One post as its author sees it."""
    pictures = "".join(
        f'<img src="{images}/{m["sha256"]}" alt="{html.escape(m["alt"])}" class="picture">' for m in shown.media
    )
    author = html.escape(shown.account)
    return shell(
        author,
        f'{_nav(base, viewer)}<main role="main"><article><a href="{base}/{author}/">{author}</a>{pictures}'
        f'<h1 class="caption" dir="auto">{html.escape(shown.text)}</h1>'
        f'<a href="{base}/p/{shown.extra["shortcode"]}/liked_by/">{likes:,} likes</a> '
        f'<time datetime="{iso(shown.created_at)}">then</time></article></main>',
    )


def missing(base: str, name: str) -> str:
    return shell(
        "Instagram",
        f"{_nav(base, name)}<main role='main'><h2>Sorry, this page isn't available.</h2><p>The link you followed may "
        "be broken, or the page may have been removed.</p></main>",
    )


def login() -> str:
    return shell(
        "Login • Instagram",
        '<main role="main"><form><input name="username" aria-label="Phone number, username, or email">'
        '<input name="password" type="password" aria-label="Password"><button type="submit">Log in</button></form></main>',
    )


def challenge() -> str:
    return shell(
        "Instagram",
        "<main role='main'><h2>Help us confirm it's you</h2><p>We detected an unusual login attempt.</p>"
        '<div role="button" tabindex="0">This was me</div><form><input name="security_code"></form></main>',
    )


def broken(status: int) -> str:
    return shell("Error", f"<main><h2>Sorry, something went wrong.</h2><p>{status}</p></main>")


def session(base: str, account: Any) -> dict[str, Any]:
    """A browser's stored state (Playwright's form) in which this account is signed in at `base`."""
    host = base.split("//", 1)[-1].split("/", 1)[0].rsplit(":", 1)[0]
    shared = {"domain": host, "path": "/", "expires": -1, "secure": False, "sameSite": "Lax"}
    return {
        "cookies": [
            {"name": "sessionid", "value": account["access_token"], "httpOnly": True, **shared},
            {"name": "ds_user_id", "value": str(account["id"]), "httpOnly": False, **shared},
        ],
        "origins": [],
    }
