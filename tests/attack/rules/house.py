"""What each rule of house.yaml must find, and the right way beside it, which it must not find. Never run."""

# ruleid: http-client-outside-http
import httpx2

# ok: http-client-outside-http
from postprober.http import HttpClient


def sql(conn, store, mark: str, ident: int):
    # ruleid: sql-from-a-value
    conn.execute(text(f"SELECT * FROM posts WHERE mark = '{mark}'"))
    query = "SELECT * FROM posts WHERE mark = '" + mark + "'"
    # ruleid: sql-from-a-value
    store.rows(query)
    # ok: sql-from-a-value
    conn.execute(select(posts).where(posts.c.mark == mark))
    # ok: sql-from-a-value
    store.rows("SELECT * FROM posts WHERE mark = ?", [mark])
    # ok: sql-from-a-value
    store.rows(f"SELECT {COLUMNS[mark]} FROM posts")


def logs(log, account, password):
    # ruleid: secret-in-a-log
    log.info("signed in with %s", password)
    # ruleid: secret-in-a-log
    log.warning(f"the token {account.access_token} was refused")
    # ok: secret-in-a-log
    log.warning("account %s was refused", account.id)
    # ruleid: secret-in-a-log
    print("your key is", settings.api_key)


def page(post, st):
    # ruleid: html-not-escaped
    st.html(f"<p>{post.content}</p>")
    # ok: html-not-escaped
    st.html(f"<p>{safe(post.content)}</p>")
    # ok: html-not-escaped
    st.caption(f"{post.content} is long")
    # ruleid: html-shown-raw
    st.markdown(post.content, unsafe_allow_html=True)
    # ruleid: html-shown-raw
    st.html(post.content)
    # ok: html-shown-raw
    st.html(post_html(post))


def programs(name):
    # ruleid: a-shell
    subprocess.run(f"ls {name}", shell=True)
    # ruleid: a-shell
    os.system("ls " + name)
    # ok: a-shell
    subprocess.run(["ls", name], check=True)


def transactions(core, adapter, job):
    with core.db.write() as conn:
        note(conn)
        # ruleid: network-inside-a-transaction
        core.http.get("https://example.org")
    with core.db.write() as conn:
        if job:
            # ruleid: network-inside-a-transaction
            adapter.submit(None, job)
        # ok: network-inside-a-transaction
        accounts.find(conn, job)
    # ok: network-inside-a-transaction
    reply = core.http.get("https://example.org")
    with core.db.write() as conn:
        # ok: network-inside-a-transaction
        keep(conn, reply)


def states(conn, one):
    # ruleid: state-not-moved-by-watch
    conn.execute(deliveries.update().where(deliveries.c.id == one.id).values(state="held"))
    # ruleid: state-not-moved-by-watch
    deliveries.change(conn, one, "held", reason="", now=None, columns={})
    # ok: state-not-moved-by-watch
    watch.move(conn, one, "held", reason="", now=None)
    # ok: state-not-moved-by-watch
    conn.execute(deliveries.update().where(deliveries.c.id == one.id).values(next_at=None))


def identities(core, actor, post):
    # ruleid: actor-outside-a-door
    posts.create(core, Actor(post.user_id, post.user_id, "owner", "UTC", APP), post)
    # ruleid: actor-outside-a-door
    posts.create(core, permits.actor(core, post.user_id, APP), post)
    # ok: actor-outside-a-door
    posts.create(core, actor, post)


def tokens(token, key, claims, row):
    # ruleid: token-algorithm-open
    jwt.decode(token, key)
    # ok: token-algorithm-open
    jwt.decode(token, key, algorithms=["HS256"])
    # ruleid: secret-compared-in-the-open
    if row.nonce != claims["nonce"]:
        return
    # ruleid: secret-compared-in-the-open
    if signature == token:
        return
    # ok: secret-compared-in-the-open
    if hmac.compare_digest(row.nonce, claims["nonce"]):
        return
    # ok: secret-compared-in-the-open
    if row.platform == "x":
        return


@router.get("/file")
def files(name: str, ident: int, folder):
    # ruleid: path-from-a-request
    open("/srv/" + name)
    # ruleid: path-from-a-request
    FileResponse(folder / name)
    # ok: path-from-a-request
    FileResponse(folder / str(ident))
    # ok: path-from-a-request
    FileResponse(media.open_public(core, name).path)


@router.get("/go")
def leads(next: str, settings):
    # ruleid: redirect-to-what-a-request-says
    RedirectResponse(next, 303)
    # ok: redirect-to-what-a-request-says
    RedirectResponse(settings.app_base, 303)
    if not _APP_PATH.fullmatch(next):
        raise BadInput
    # ok: redirect-to-what-a-request-says
    RedirectResponse(settings.app_base + next, 303)


def cookies(answer, token):
    # ruleid: cookie-without-its-flags
    answer.set_cookie("session", token)
    # ok: cookie-without-its-flags
    answer.set_cookie("session", token, httponly=True, samesite="lax", secure=True)


def certificates():
    # ruleid: certificate-not-checked
    HttpClient(verify=False)
    # ok: certificate-not-checked
    HttpClient()


def data(body):
    # ruleid: code-from-data
    pickle.loads(body)
    # ok: code-from-data
    json.loads(body)


def guesses():
    # ruleid: guessable-secret
    token = str(random.random())
    # ok: guessable-secret
    pause = random.random()
    # ok: guessable-secret
    token = secrets.token_urlsafe(32)
