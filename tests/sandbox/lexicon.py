"""A small validator of AT Protocol lexicons: enough for records, parameters and replies of the sandbox.

Types, required, nullable, lengths in UTF-8 bytes and graphemes, the formats below, unions and refs.
https://atproto.com/specs/lexicon
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import regex

Json = dict[str, Any]
_SEGMENT = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_NSID = re.compile(rf"[a-zA-Z]([a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?(\.{_SEGMENT})+(\.[a-zA-Z][a-zA-Z0-9]{{0,62}})")
_DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")
_HANDLE = re.compile(rf"({_SEGMENT}\.)+[a-zA-Z]([a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?")
_TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
_KEY = re.compile(r"[a-zA-Z0-9_~.:-]{1,512}")
_DATETIME = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,20})?(Z|[+-]\d\d:\d\d)"
)
_CID = re.compile(r"b[a-z2-7]{58}")
_LANGUAGE = re.compile(r"(i|[a-z]{2,3})(-[a-zA-Z0-9]+)*")


def _nsid(text: str) -> bool:
    return len(text) <= 317 and _NSID.fullmatch(text) is not None


def _did(text: str) -> bool:
    return len(text) <= 2048 and _DID.fullmatch(text) is not None


def _handle(text: str) -> bool:
    return len(text) <= 253 and _HANDLE.fullmatch(text) is not None


def _record_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None and text not in (".", "..")


def _at_uri(text: str) -> bool:
    """at://AUTHORITY[/COLLECTION[/RKEY]] with nothing after it but a fragment."""
    match = re.fullmatch(r"at://([^/#]+)(/([^/#]+)(/([^/#]+))?)?(#/[a-zA-Z0-9._~:@!$&%')(*+,;=\-\[\]/\\]*)?", text)
    if match is None or len(text) > 8 * 1024:
        return False
    authority, collection, rkey = match[1], match[3], match[5]
    named = _did(authority) or _handle(authority)
    return named and (collection is None or _nsid(collection)) and (rkey is None or _record_key(rkey))


def _datetime(text: str) -> bool:
    if len(text) > 64 or not _DATETIME.fullmatch(text) or text.endswith("-00:00") or text.startswith("000"):
        return False
    try:
        datetime.fromisoformat(re.sub(r"\.(\d{1,6})\d*", r".\1", text))
    except ValueError:
        return False
    return True


FORMATS: dict[str, Callable[[str], bool]] = {
    "tid": lambda text: _TID.fullmatch(text) is not None,
    "at-uri": _at_uri,
    "datetime": _datetime,
    "nsid": _nsid,
    "did": _did,
    "handle": _handle,
    "at-identifier": lambda text: _did(text) or _handle(text),
    "record-key": _record_key,
    "cid": lambda text: _CID.fullmatch(text) is not None,
    "uri": lambda text: bool(urlsplit(text).scheme) and " " not in text,
    "language": lambda text: _LANGUAGE.fullmatch(text) is not None,
}
_TYPES: dict[str, type] = {"string": str, "boolean": bool, "object": dict, "array": list}


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind])


class Lexicons:
    """All lexicons below a folder. `check_*` return the violations as sentences, [] when there are none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents: dict[str, Json] = {}

    def _document(self, nsid: str) -> Json:
        if nsid not in self._documents:
            self._documents[nsid] = json.loads((self._folder / f"{nsid.replace('.', '/')}.json").read_text())
        return self._documents[nsid]

    def _definition(self, ref: str, home: str) -> tuple[Json, str]:
        nsid, _, name = ref.partition("#")
        nsid = nsid or home
        return self._document(nsid)["defs"][name or "main"], nsid

    def check_record(self, record: Json) -> list[str]:
        nsid = record["$type"]
        return self._check(self._document(nsid)["defs"]["main"]["record"], record, nsid, nsid)

    def check_output(self, nsid: str, body: Any) -> list[str]:
        return self._check(self._document(nsid)["defs"]["main"]["output"]["schema"], body, nsid, nsid)

    def check_input(self, nsid: str, body: Any) -> list[str]:
        return self._check(self._document(nsid)["defs"]["main"]["input"]["schema"], body, nsid, nsid)

    def _check(self, schema: Json, value: Any, home: str, at: str) -> list[str]:
        kind = schema["type"]
        if kind == "ref":
            target, nsid = self._definition(schema["ref"], home)
            return self._check(target, value, nsid, at)
        if kind == "union":
            return self._union(schema, value, home, at)
        if kind == "blob":
            return self._blob(schema, value, at)
        if kind == "unknown":
            return [] if isinstance(value, dict) else [f"{at}: not an object"]
        if kind == "integer":
            return self._integer(schema, value, at)
        if not _is(kind, value):
            return [f"{at}: not a {kind}"]
        if kind == "object":
            return self._object(schema, value, home, at)
        if kind == "array":
            return self._array(schema, value, home, at)
        return self._string(schema, value, at) if kind == "string" else []

    def _union(self, schema: Json, value: Any, home: str, at: str) -> list[str]:
        if not isinstance(value, dict) or "$type" not in value:
            return [f"{at}: a union member needs $type"]
        full = {(home + ref if ref.startswith("#") else ref).removesuffix("#main"): ref for ref in schema["refs"]}
        ref = full.get(value["$type"])
        if ref is None:
            return [f"{at}: {value['$type']} is not in the union"] if schema.get("closed") else []
        target, nsid = self._definition(ref, home)
        return self._check(target, value, nsid, at)

    def _blob(self, schema: Json, value: Any, at: str) -> list[str]:
        shape = isinstance(value, dict) and value.get("$type") == "blob"
        if not shape or not FORMATS["cid"](value.get("ref", {}).get("$link", "")):
            return [f"{at}: not a blob"]
        accepted = schema.get("accept", ["*/*"])
        mime = value["mimeType"]
        fits = any(a in ("*/*", mime) or (a.endswith("/*") and mime.startswith(a[:-1])) for a in accepted)
        problems = [] if fits else [f"{at}: {mime} is not accepted"]
        return problems + ([f"{at}: too large"] if value["size"] > schema.get("maxSize", value["size"]) else [])

    def _integer(self, schema: Json, value: Any, at: str) -> list[str]:
        if type(value) is not int:
            return [f"{at}: not an integer"]
        inside = schema.get("minimum", value) <= value <= schema.get("maximum", value)
        return [] if inside else [f"{at}: {value} is out of range"]

    def _object(self, schema: Json, value: Json, home: str, at: str) -> list[str]:
        problems = [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, inner in schema.get("properties", {}).items():
            if name not in value or (value[name] is None and name in schema.get("nullable", [])):
                continue
            problems += self._check(inner, value[name], home, f"{at}/{name}")
        return problems

    def _array(self, schema: Json, value: list[Any], home: str, at: str) -> list[str]:
        problems = [f"{at}: too many"] if len(value) > schema.get("maxLength", len(value)) else []
        for index, item in enumerate(value):
            problems += self._check(schema["items"], item, home, f"{at}/{index}")
        return problems

    def _string(self, schema: Json, value: str, at: str) -> list[str]:
        problems = []
        if len(value.encode()) > schema.get("maxLength", 10**9):
            problems.append(f"{at}: too many bytes")
        if len(regex.findall(r"\X", value)) > schema.get("maxGraphemes", 10**9):
            problems.append(f"{at}: too many graphemes")
        if "format" in schema and not FORMATS[schema["format"]](value):
            problems.append(f"{at}: {value!r} is not a {schema['format']}")
        return problems
