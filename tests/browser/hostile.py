"""Pages that try to reach an address inside, each its own way, and pages that try to hold up who looks at them.

`%s` stands for the address inside with the page's name behind it, so that the canary can tell who came.
"""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler

from tests.browser.hosts import Answer, Canary, Site, reply

# Name -> HTML. Sources: the fetching elements of the HTML Standard, and the Fetch, WebSockets, Beacon, Reporting,
# Speculation Rules and Web Workers standards.
BY_HTML = {
    "meta-refresh": '<meta http-equiv="refresh" content="0;url=%s">',
    "js-location": "<script>location = '%s'</script>",
    "js-replace": "<script>location.replace('%s')</script>",
    "img": '<img src="%s">',
    "srcset": '<img srcset="%s 2x, %s 1x">',
    "script": '<script src="%s"></script>',
    "module": "<script type=module>import('%s')</script>",
    "css": '<link rel="stylesheet" href="%s">',
    "css-import": "<style>@import url('%s');</style>",
    "css-image": "<div style=\"width:9px;height:9px;background:url('%s')\"></div>",
    "font": "<style>@font-face{font-family:f;src:url('%s')} p{font-family:f}</style><p>text</p>",
    "svg-image": '<svg><image href="%s" width="9" height="9"/></svg>',
    "fetch": "<script>fetch('%s').catch(() => 0)</script>",
    "fetch-no-cors": "<script>fetch('%s', {mode: 'no-cors', method: 'POST', body: 'x'}).catch(() => 0)</script>",
    "xhr": "<script>const x = new XMLHttpRequest(); x.open('GET', '%s'); x.send()</script>",
    "beacon": "<script>navigator.sendBeacon('%s', 'x')</script>",
    "event-source": "<script>new EventSource('%s')</script>",
    "iframe": '<iframe src="%s"></iframe>',
    "srcdoc": "<iframe srcdoc=\"<img src='%s'>\"></iframe>",
    "frame-data": "<iframe src=\"data:text/html,<img src='%s'>\"></iframe>",
    "object": '<object data="%s"></object>',
    "embed": '<embed src="%s">',
    "pdf": '<embed type="application/pdf" src="%s">',
    "video": '<video src="%s" preload="auto"></video>',
    "audio": '<audio src="%s" preload="auto"></audio>',
    "poster": '<video poster="%s"></video>',
    "form-post": '<form method="post" action="%s"></form><script>document.forms[0].submit()</script>',
    "form-blank": '<form target="_blank" action="%s"></form><script>document.forms[0].submit()</script>',
    "window-open": "<script>open('%s')</script>",
    "download": "<a id=a download href='%s'>x</a><script>a.click()</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob([\"fetch('%s')\"])))</script>",
    "worker-import": "<script>new Worker(URL.createObjectURL(new Blob([\"importScripts('%s')\"])))</script>",
    "shared-worker": "<script>new SharedWorker(URL.createObjectURL(new Blob([\"fetch('%s')\"])))</script>",
    "blob-frame": "<script>const f = document.createElement('iframe');"
    "f.src = URL.createObjectURL(new Blob([\"<img src='%s'>\"], {type: 'text/html'}));"
    "document.documentElement.append(f)</script>",
    "preload": '<link rel="preload" as="image" href="%s">',
    "prefetch": '<link rel="prefetch" href="%s">',
    "module-preload": '<link rel="modulepreload" href="%s">',
    "websocket": "<script>new WebSocket('%s'.replace('http', 'ws'))</script>",
}
# Where a hit cannot be told apart by its path, or Chromium as we start it does not even try: no control for these.
UNTOLD = {
    "link-ping": "<a id=a ping='%s' href='#'>x</a><script>a.click()</script>",
    "preconnect": '<link rel="preconnect" href="%s">',
    "dns-prefetch": '<link rel="dns-prefetch" href="%s">',
    "prerender": '<script type="speculationrules">{"prerender":[{"urls":["%s"]}],"prefetch":[{"urls":["%s"]}]}</script>',
    "view-source": "<script>open('view-source:%s')</script><a id=a href='view-source:%s'>x</a><script>a.click()</script>",
    "service-worker": "<script>navigator.serviceWorker.register('/sw.js?to=%s')</script>",
    "webtransport": "<script>try { new WebTransport('%s'.replace('http:', 'https:')) } catch (e) {}</script>",
    "file-frame": "<iframe src='file:///etc/passwd'></iframe><script>try { location = 'file:///etc/passwd' } "
    "catch (e) {}</script>",
    "tls": "<img src='HTTPS%s'><script>new WebSocket('wssHTTPS%s'.replace('wsshttps', 'wss'))</script>",
}
WEBRTC = """<script>
const peer = new RTCPeerConnection({iceServers: [
  {urls: 'stun:127.0.0.1:PORT'}, {urls: 'turn:127.0.0.1:PORT?transport=tcp', username: 'a', credential: 'b'}]});
peer.createDataChannel('x'); peer.createOffer().then(o => peer.setLocalDescription(o));
</script>"""
REDIRECTS = (301, 302, 303, 307, 308)


def spellings(canary: Canary) -> dict[str, str]:
    """Other ways of writing the canary's address. `inside.example` resolves to it by the tests' own resolver."""
    hosts = {
        "decimal": "2130706433",
        "octal": "0177.0.0.1",
        "hex": "0x7f000001",
        "short": "127.1",
        "zero": "0.0.0.0",
        "localhost": "localhost",
        "sub-localhost": "a.localhost",
        "dot": "localhost.",
        "capitals": "LOCALHOST",
        "name": "inside.example",
    }
    if canary.has_ipv6:
        hosts |= {"ipv6": "[::1]", "mapped": "[::ffff:127.0.0.1]", "long-ipv6": "[0:0:0:0:0:0:0:1]"}
    return hosts


def publish(site: Site, canary: Canary) -> tuple[dict[str, str], dict[str, str]]:
    """Put every page on the site: name -> address, (those that the canary can tell, the others)."""
    inside = f"http://127.0.0.1:{canary.port}"
    told, untold = {}, {}
    for name, html in BY_HTML.items():
        told[name] = site.page(f"/{name}", "<!doctype html><body>" + html.replace("%s", f"{inside}/{name}"))
    for code in REDIRECTS:
        site.pages[f"/r{code}"] = _redirect(code, f"{inside}/r{code}")
        told[f"r{code}"] = f"{site.url}/r{code}"
    told["refresh-header"] = site.page("/refresh-header", "x", Refresh=f"0; url={inside}/refresh-header")
    told["link-header"] = site.page("/link-header", "x", Link=f"<{inside}/link-header>; rel=preload; as=image")
    policy = f"img-src 'none'; report-uri {inside}/csp-report"
    told["csp-report"] = site.page("/csp-report", "<img src=/x.png>", Content_Security_Policy=policy)
    for name, host in spellings(canary).items():
        told[name] = site.page(f"/{name}", f'<img src="http://{host}:{canary.port}/{name}">')
    site.pages["/hop"] = _redirect(302, f"{inside}/img-redirect")
    told["img-redirect"] = site.page("/img-redirect", '<img src="/hop">')
    worker = f"self.onactivate = self.oninstall = () => fetch('{inside}/service-worker')"
    site.page("/sw.js", worker, "text/javascript")
    for name, html in UNTOLD.items():
        page = html.replace("HTTPS%s", f"https://127.0.0.1:{canary.port}/").replace("%s", f"{inside}/{name}")
        untold[name] = site.page(f"/{name}", page)
    untold["webrtc"] = site.page("/webrtc", WEBRTC.replace("PORT", str(canary.port)))
    return told, untold


def tiresome(site: Site) -> dict[str, str]:
    """Pages that try never to be done with: name -> address."""
    script = {
        "alerts": "while (true) alert('again')",
        "confirms": "while (!confirm('really?')) {}",
        "prompts": "while (prompt('name?') === null) {}",
        "leave": "onbeforeunload = e => { e.preventDefault(); return 'stay' }; setInterval(() => location.reload(), 1)",
        "prints": "while (true) print()",
        "spin": "for (;;);",
        "dom": "for (;;) { const d = document.createElement('div'); d.innerHTML = '<b>x</b>'.repeat(1000);"
        "document.documentElement.append(d) }",
        "windows": "setInterval(() => open('/windows'), 50)",
        "memory": "const a = []; for (;;) a.push(new Array(1e6).fill(a.length))",
    }
    found = {name: site.page(f"/{name}", f"<body><p>x</p><script>{text}</script>") for name, text in script.items()}
    site.pages["/circle"] = _redirect(302, "/circle")
    site.pages["/body"] = _endless(b"<p>more</p>" * 6000, pause=0)
    site.pages["/drip"] = _endless(b"x", pause=0.2)
    site.pages["/head"] = _endless_head
    return found | {name: f"{site.url}/{name}" for name in ("circle", "body", "drip", "head")}


def _redirect(code: int, target: str) -> Answer:
    return lambda handler: reply(handler, code, "", Location=target)


def _endless(piece: bytes, pause: float) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        handler.close_connection = True
        while True:
            handler.wfile.write(piece)
            time.sleep(pause)

    return answer


def _endless_head(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: and more of it\r\n" * 100)
