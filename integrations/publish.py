"""Publish from a pipeline with PostProber. Python 3.9 or newer, nothing else.

Settings are environment variables:

POSTPROBER_SERVER   address of the installation, such as https://post.example.org
POSTPROBER_TOKEN    an API token with the scopes posts:read, monitoring:read, and posts:draft, posts:propose or posts:publish
POSTPROBER_ACCOUNTS ids of the accounts, with commas
POSTPROBER_TEXT     the text; or POSTPROBER_TEXT_FILE: a file with it, in which a line of --- begins the next part of a thread
POSTPROBER_TEXTS    own texts of single accounts, as JSON: {"3": "…"}
POSTPROBER_MODE     draft, propose (a person decides; the default) or publish
POSTPROBER_KEY      your own name for the post; there is never a second one with it. Default: repository and tag, or commit
POSTPROBER_WAIT     seconds to wait for the proof, 0 for none (default 300)

It may be run again at any time, also after it was cut off: the same key is the same post. Exit code 0: done, or waiting for a
person; 2: wrong settings or a text that a platform would refuse; 3: the post failed; 4: undecided when the time was over, or the
server did not answer: run it again.
"""

import http.client
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

TRIES = 5
GOOD = {"verified", "published"}
BAD = {"failed", "ghost", "cancelled", "partial"}


class Refused(Exception):
    pass


class Unanswered(Refused):
    pass


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """The library would send the token to whatever host an answer names, and make a GET of a POST."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


OPENER = urllib.request.build_opener(NoRedirects)


def main():
    server = setting("POSTPROBER_SERVER").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise Refused("POSTPROBER_SERVER is an address such as https://post.example.org.")
    mode = os.environ.get("POSTPROBER_MODE") or "propose"
    if mode not in ("draft", "propose", "publish"):
        raise Refused("POSTPROBER_MODE is draft, propose or publish.")
    key = os.environ.get("POSTPROBER_KEY") or default_key()
    seconds = patience()
    body = {"content": text(), "account_ids": accounts(), "variants": variants(), "key": key}
    if mode == "propose":
        made = call(server, "POST", "/api/posts/propose", body)
        post, decide_at = made["post"], made["decide_at"] if made["waits_for_a_person"] else ""
    else:
        post, decide_at = call(server, "POST", "/api/posts", {**body, "submit": mode == "publish"}), ""
    tell(f"Post {post['id']} ({key}): {post['status']}")
    output("post_id", post["id"])
    output("status", post["status"])
    if decide_at or post["status"] == "review":
        return decided_by_a_person(decide_at or server)
    if post["status"] == "draft":
        if mode == "draft":
            return 0
        tell("The post with this key is a draft, and a person has to publish it.")
        return 4
    return follow(server, post["id"], seconds)


def decided_by_a_person(where):
    tell(f"A person decides: {where}")
    output("decide_at", where)
    return 0


def follow(server, post_id, seconds):
    """Wait for the proof, and print one line for each account."""
    until = time.monotonic() + seconds
    while True:
        found = call(server, "GET", f"/api/monitoring/{post_id}")
        if found["finished"] or time.monotonic() >= until:
            break
        time.sleep(2)
    if found["status"] == "review":  # what reviews posts was asked again, and holds it
        return decided_by_a_person(server)
    newest = {one["account_id"]: one for one in sorted(found["deliveries"], key=lambda one: one["id"])}
    links = []  # an account has an older, cancelled delivery where the post was held once
    for one in newest.values():
        tell(f"{one['platform']} ({one['account']}): {one['state']}, proof: {one['proof']} {one['url'] or ''}".rstrip())
        links += [one["url"]] if one["url"] else []
    output("links", " ".join(links))
    states = {one["state"] for one in newest.values()}
    if states <= GOOD:
        return 0
    return 3 if states & BAD else 4


def text():
    path = os.environ.get("POSTPROBER_TEXT_FILE")
    if not path:
        return setting("POSTPROBER_TEXT")
    try:
        told = pathlib.Path(path).read_text(encoding="utf-8-sig")  # some editors begin a file with a mark of order
        parts = [part.strip("\n") for part in f"\n{told}".split("\n---\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read as UTF-8 text: {error}") from None
    return parts if len(parts) > 1 else parts[0]


def accounts():
    told = setting("POSTPROBER_ACCOUNTS")
    try:
        return [int(one) for one in told.replace(",", " ").split()]
    except ValueError:
        raise Refused("POSTPROBER_ACCOUNTS are ids with commas, such as 1,2.") from None


def variants():
    told = os.environ.get("POSTPROBER_TEXTS") or "{}"
    try:
        return {
            str(account): [words] if isinstance(words, str) else list(words)
            for account, words in json.loads(told).items()
        }
    except (ValueError, AttributeError, TypeError):
        raise Refused('POSTPROBER_TEXTS is JSON such as {"3": "A text of its own"}.') from None


def default_key():
    """The same for every run for one release of one repository."""
    repository = os.environ.get("GITHUB_REPOSITORY") or os.environ.get("CI_PROJECT_PATH")
    of_tag = os.environ.get("GITHUB_REF_TYPE") != "branch"  # a branch has one name for all that is ever written on it
    release = (of_tag and os.environ.get("GITHUB_REF_NAME")) or os.environ.get("GITHUB_SHA")
    release = release or os.environ.get("CI_COMMIT_TAG") or os.environ.get("CI_COMMIT_SHA")
    if not repository or not release:
        raise Refused("Set POSTPROBER_KEY: your own name for this post, the same when it is run again.")
    return f"{repository}@{release}"


def patience():
    told = os.environ.get("POSTPROBER_WAIT") or "300"
    if not told.isascii() or not told.isdigit():
        raise Refused("POSTPROBER_WAIT is a number of seconds, such as 300.")
    return int(told)


def setting(name):
    value = os.environ.get(name, "")
    if not value.strip():
        raise Refused(f"Set {name}.")
    return value


def call(server, method, path, body=None):
    """One call, repeated while the server cannot be reached: the key makes that safe."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {setting('POSTPROBER_TOKEN').strip()}", "Content-Type": "application/json"}
    for left in range(TRIES - 1, -1, -1):
        request = urllib.request.Request(server + path, data, headers, method=method)
        try:
            with OPENER.open(request, timeout=90) as reply:
                return answer(reply.read(), server)
        except urllib.error.HTTPError as error:
            if 300 <= error.code < 400:
                raise Refused(
                    f"{server} leads to {error.headers.get('Location')}; set POSTPROBER_SERVER to that."
                ) from None
            if error.code not in (429, 502, 503, 504) or not left:
                raise (Unanswered if error.code >= 500 else Refused)(sentence(error)) from None
        except (OSError, http.client.HTTPException) as error:
            if not left:
                raise Unanswered(f"{server} does not answer: {error!r}") from None
        except ValueError as error:  # what stands in the settings can be in no address or header
            raise Refused(f"POSTPROBER_SERVER or POSTPROBER_TOKEN cannot be used: {type(error).__name__}.") from None
        time.sleep(2.0 ** (TRIES - left))
    raise AssertionError


def answer(body, server):
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Refused(f"What answers at {server} is not PostProber's API.")
    return told


def sentence(error):
    try:
        return str(json.loads(error.read())["detail"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return f"the server answered with status {error.code}"


def tell(line):
    """On the screen, and in the job's summary where there is one."""
    print(line, flush=True)
    append(os.environ.get("GITHUB_STEP_SUMMARY"), f"- {line}\n")


def output(name, value):
    append(os.environ.get("GITHUB_OUTPUT"), f"{name}={value}\n")


def append(path, line):
    if path:
        with pathlib.Path(path).open("a", encoding="utf-8") as file:
            file.write(line)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a terminal of plain ASCII must not end a run that has published
    try:
        sys.exit(main())
    except Refused as error:
        print(f"PostProber: {error}", file=sys.stderr)
        sys.exit(4 if isinstance(error, Unanswered) else 2)
