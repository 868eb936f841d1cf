"""Stored files as the domain knows them, and what goes out instead of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postprober import extras
from postprober.domain.post import MediaFile, MediaKind
from postprober.storage.records import MediaRecord, replace


def file_of(record: MediaRecord, data_dir: Path) -> MediaFile:
    """The file of a row, without a public URL."""
    converts = record.damage == "" and extras.has("video")
    return MediaFile(
        id=record.id,
        kind=MediaKind(record.kind),
        mime=record.mime,
        size=record.size,
        width=record.width,
        height=record.height,
        sha256=record.sha256,
        path=str(data_dir / record.path),
        alt=record.alt,
        duration=record.duration,
        frames=record.frames,
        codec=record.codec,
        pixel_format=record.pixel_format,
        rate=record.rate,
        audio=record.audio,
        damage=record.damage or "",
        converts=converts,
        hint="" if converts or record.damage else _hint(),
        name=record.name,
        pages=record.pages,
    )


def _hint() -> str:
    """What it takes to have a video converted here, as the end of a sentence."""
    if extras.has("video"):
        return "add the file again to have it converted here"
    return f"with the video extra ({extras.command('video')}) it is converted here"


def as_made(file: MediaFile, made: Mapping[str, Any], data_dir: Path) -> MediaFile:
    """What `file` was converted to (`storage.conversions`), with its description."""
    return replace(
        file,
        kind=MediaKind.VIDEO,
        mime="video/mp4",
        path=str(data_dir / made["path"]),
        sha256=made["sha256"],
        size=made["size"],
        width=made["width"],
        height=made["height"],
        duration=made["duration"],
        frames=None,
        codec="h264",
        pixel_format="yuv420p",
        rate=None,
        audio=None,
        converts=False,
        hint="",
    )
