"""Small videos of every kind, made when a test wants one."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw


@dataclass(frozen=True)
class Wish:
    """`times`: of the frames in seconds where they do not come evenly; `turn`: degrees in the display matrix; `audio`: the
    encoders of the sound tracks; `sar`: shape of a pixel."""

    form: str = "mp4"
    codec: str = "libx264"
    pixels: str = "yuv420p"
    size: tuple[int, int] = (160, 120)
    seconds: float = 1.0
    rate: int = 25
    audio: tuple[str, ...] = ()
    options: Mapping[str, str] | None = None
    times: tuple[float, ...] = ()
    turn: int = 0
    tracks: int = 1
    channels: str = "stereo"
    khz: int = 48
    sar: Fraction | None = None
    bits: int = 0
    codec_options: Mapping[str, str] | None = None


def picture(index: int, size: tuple[int, int]) -> Image.Image:
    """Red above, blue below, and a white bar that goes from left to right: which side is up can be seen."""
    image = Image.new("RGB", size, (200, 30, 30))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, size[1] // 2, size[0], size[1]), fill=(30, 30, 200))
    at = index * 4 % size[0]
    draw.rectangle((at, 0, at + 6, size[1]), fill=(240, 240, 240))
    return image


def make(path: Path, wish: Wish = Wish(), **other: Any) -> Path:
    """The video that is wished for, at `path`."""
    wish = replace(wish, **other)
    with av.open(str(path), "w", format=wish.form, options=dict(wish.options or {})) as sink:
        streams = [_pictures(sink, wish) for _ in range(wish.tracks)]
        sounds = [_sound(sink, name, wish) for name in wish.audio]
        times = wish.times or tuple(i / wish.rate for i in range(round(wish.seconds * wish.rate)))
        for stream in streams:
            for index, at in enumerate(times):
                frame = av.VideoFrame.from_image(picture(index, wish.size)).reformat(format=wish.pixels)
                frame.time_base = Fraction(1, 90_000) if wish.times else Fraction(1, wish.rate)
                frame.pts = round(at / frame.time_base)
                sink.mux(stream.encode(frame))
            sink.mux(stream.encode(None))
        for stream in sounds:
            _speak(sink, stream, wish.seconds, wish.khz * 1000)
    if wish.turn:
        turn(path, wish.turn)
    return path


def _pictures(sink: Any, wish: Wish) -> Any:
    stream = sink.add_stream(wish.codec, rate=wish.rate)
    stream.width, stream.height = wish.size
    context = stream.codec_context
    context.pix_fmt, context.thread_count = wish.pixels, 1
    context.options = dict(wish.codec_options or {})
    if wish.times:
        context.time_base = Fraction(1, 90_000)
    if wish.sar:
        context.sample_aspect_ratio = wish.sar
    if wish.bits:
        context.bit_rate = wish.bits
    return stream


def _sound(sink: Any, name: str, wish: Wish) -> Any:
    stream = sink.add_stream(name, rate=wish.khz * 1000)
    stream.codec_context.layout = wish.channels
    return stream


def _speak(sink: Any, stream: Any, seconds: float, rate: int) -> None:
    context = stream.codec_context
    size = context.frame_size or 1024
    layout, at = context.layout, 0
    while at < seconds * rate:
        frame = av.AudioFrame(format=context.format, layout=layout, samples=size)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        sink.mux(stream.encode(frame))
        at += size
    sink.mux(stream.encode(None))


_MATRICES = {
    90: (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
    180: (-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30),
    270: (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30),
}  # clockwise, as phones write it (ISO 14496-12, 8.3.2)


def turn(path: Path, degrees: int) -> None:
    """Write the display matrix of an MP4 with a header of version 0."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", *_MATRICES[degrees])
    path.write_bytes(bytes(data))


def frames(path: Path | str) -> list[Image.Image]:
    """Every picture of a video, as it is shown."""
    with av.open(str(path)) as source:
        return [frame.to_image() for frame in source.decode(video=0)]
