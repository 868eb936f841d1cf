"""The video helper, a process for one video (`video_process` starts it): reads it, or converts it, with FFmpeg's libraries.

Which of FFmpeg's readers opens a file is decided here, by its first bytes, so that no list of other files or addresses is
ever followed.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av import FFmpegError
from PIL import Image

from postprober.domain.target import VideoTarget
from postprober.errors import BadInput
from postprober.platforms.common.picture_process import BEGUN

MOST_MEMORY = 2 << 30  # bytes above what it has at its start: 2160p in 10 bits with all its references takes 1.1 GB
THREADS = 2  # always as many, because the file that comes out depends on it
_PRIORITY = 19  # the least there is
_USUAL_HZ = 48_000  # sound of more is said to be so
MOST_PACKETS = 3_000_000  # ten hours of pictures and sound
_FIRST = 300  # packets within which a picture must come out: ten seconds
_BROKEN = 0.1  # of the pictures may be lost; what loses more is not what a person saw
_CUT_SECONDS, _CUT_PART = 1.0, 0.1  # that the header may promise more than there is
_READERS = {b"GIF8": "gif", b"\x1aE\xdf\xa3": "matroska"}
_DEPTHS = {"9": 9, "10": 10, "12": 12, "14": 14, "16": 16}
_CHROMA = {"420": "", "422": "4:2:2", "444": "4:4:4", "440": "4:4:0", "411": "4:1:1", "410": "4:1:0"}
_MOST_GUESSED = Fraction(1, 2)  # second, that the last picture is taken to be shown where nothing says it
_EVERY = 0.5  # seconds of the video between two reports


def main() -> None:
    """One order on stdin; on stdout BEGUN, lines `done PART`, and last a line of JSON."""
    order: dict[str, Any] = json.loads(sys.stdin.read())
    _bound()
    av.logging.set_level(av.logging.PANIC)
    _say(BEGUN.decode())
    try:
        if order["task"] == "probe":
            told = probe(order["path"])
        else:
            told = encode(order["path"], VideoTarget.from_json(order["target"]), order["made"])
    except BadInput as error:
        told = {"error": error.message, "detail": error.detail}
    except MemoryError:
        told = {
            "error": "The video needs more memory to decode than it may have; export it smaller, as MP4 with H.264."
        }
    except (FFmpegError, ValueError, OSError, ArithmeticError) as error:
        told = {"error": "The video cannot be decoded; export it as MP4 with H.264.", "detail": repr(error)[:200]}
    _say(json.dumps(told) + "\n")


def _say(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _bound() -> None:
    """Little priority; and a decoder that runs wild fails here, before the machine has no memory left."""
    os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    if sys.platform == "linux":
        reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (reserved + MOST_MEMORY,) * 2)


def _reader(path: str) -> str:
    with Path(path).open("rb") as stream:
        return _READERS.get(stream.read(4), "mov")


def _opened(path: str) -> Any:
    return av.open(path, format=_reader(path), metadata_errors="replace")


def _streams(container: Any) -> tuple[Any, Any]:
    """The picture track that is shown, and the sound track that is heard, each None where there is none."""
    cover = av.stream.Disposition.attached_pic
    pictures = [s for s in container.streams.video if not s.disposition & cover and s.codec_context is not None]
    pictures.sort(key=lambda s: (not s.disposition & av.stream.Disposition.default, -s.width * s.height, s.index))
    sounds = [s for s in container.streams.audio if s.codec_context is not None]
    sounds.sort(key=lambda s: (not s.disposition & av.stream.Disposition.default, s.index))
    return (pictures or [None])[0], (sounds or [None])[0]


# Reading


def probe(path: str) -> dict[str, Any]:
    """`codec` (as in `video_codec`), `pixel_format`, `width`, `height` as shown, `rate`, `duration`, `frames`, `audio`,
    `damage` ("" for none). `{"no": why}` for what is no video, `{"cut": [end, duration]}` in seconds for one that ends early."""
    with _opened(path) as container:
        video, audio = _streams(container)
        if video is None:
            return {"no": "it holds sound only" if container.streams.audio else "it has no picture track"}
        seen = _Seen(container, video, audio)
        seen.read()
        return seen.told()


class _Seen:
    """What goes by when every packet of a file is read, of which only the first pictures are decoded."""

    def __init__(self, container: Any, video: Any, audio: Any) -> None:
        self._container, self._video, self._audio = container, video, audio
        self._picture: Any = None
        self._tried = self._frames = 0
        self._first: Fraction | None = None
        self._last = self._until = self._end = Fraction(0)
        self._sound = False

    def read(self) -> None:
        streams = [s for s in (self._video, self._audio) if s is not None]
        packets = 0
        try:
            for packet in self._container.demux(streams):
                packets += 1
                if packets > MOST_PACKETS:
                    raise BadInput(f"The video has more than {MOST_PACKETS:,} packets; make it shorter.")
                if packet.size and not packet.is_corrupt and not packet.is_discard:
                    self._one(packet)
        except FFmpegError:
            if self._frames == 0:
                raise
        self._decode(None)

    def _one(self, packet: Any) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            at = stamp * packet.time_base
            until = at + (packet.duration or 0) * packet.time_base
            self._end = max(self._end, until)
            if packet.stream is self._video:
                self._first = at if self._first is None else min(self._first, at)
                self._last, self._until = max(self._last, at), max(self._until, until)
        if packet.stream is self._video:
            self._frames += 1
            self._decode(packet)
        elif not self._sound:
            self._sound = True

    def _decode(self, packet: Any) -> None:
        if self._picture is not None or self._tried >= _FIRST:
            return
        self._tried += 1
        try:
            self._picture = next(iter(self._video.codec_context.decode(packet)), None)
        except FFmpegError:
            return

    def told(self) -> dict[str, Any]:
        context, picture, first = self._video.codec_context, self._picture, self._first or Fraction(0)
        shown = picture if picture is not None else context
        pixel_format = picture.format.name if picture is not None else context.pix_fmt or ""
        width, height = _shown(self._video, picture, shown.width, shown.height)
        span, end = self._until - first, float(self._end - first)
        if self._until == self._last and self._frames > 1:  # the last one does not say how long it is shown
            one = (self._last - first) / (self._frames - 1)
            span, end = span + one, max(end, float(self._last - first + min(one, _MOST_GUESSED)))
        said = self._container.duration
        duration = said / av.time_base if said and said > 0 else 0.0
        if picture is not None and end < duration - max(_CUT_SECONDS, duration * _CUT_PART):
            return {"cut": [round(end, 1), round(duration, 1)]}
        return {
            "codec": _codec(context.name, pixel_format),
            "pixel_format": pixel_format,
            "width": width,
            "height": height,
            "rate": self._rate(span),
            "duration": round(max(duration, end), 3),
            "frames": self._frames,
            "audio": _sound(self._audio) if self._audio is not None and self._sound else "",
            "damage": "" if picture is not None else "no picture of it can be decoded",
        }

    def _rate(self, span: Fraction) -> float | None:
        """Pictures a second: as the file says where that is what was counted but for two pictures, else as counted."""
        if span <= 0 or self._frames < 2:
            return None
        for said in (self._video.average_rate, self._video.guessed_rate):
            if said and abs(said * span - self._frames) <= max(2, self._frames / 50):
                return round(float(said), 3)
        return round(float(self._frames / span), 3)


def _shown(stream: Any, picture: Any, width: int, height: int) -> tuple[int, int]:
    """With its pixels square, and turned as it is shown."""
    ratio = stream.sample_aspect_ratio
    if ratio and ratio > 0 and Fraction(1, 4) <= ratio <= 4:
        width = round(width * ratio)
    return (height, width) if _turn(picture) % 180 else (width, height)


def _turn(picture: Any) -> int:
    """Degrees, a multiple of 90, against the clock, by which it is turned before it is shown."""
    return round(picture.rotation / 90) * 90 % 360 if picture is not None else 0


def _codec(name: str, pixel_format: str) -> str:
    """The codec with what of it not every player takes, named as in `video_codec`."""
    name = {"libdav1d": "av1", "libvpx-vp9": "vp9", "libvpx": "vp8"}.get(name, name)
    plain = pixel_format.removesuffix("le").removesuffix("be")
    depth = next((bits for end, bits in _DEPTHS.items() if plain.endswith(f"p{end}")), 8)
    chroma = next((shown for mark, shown in _CHROMA.items() if mark in plain), "")
    if plain.startswith("gray"):
        chroma = "4:0:0"
    return " ".join(filter(None, (name, f"{depth}-bit" if depth > 8 else "", chroma)))


def _sound(stream: Any) -> str:
    context = stream.codec_context
    name = {"libopus": "opus", "libvorbis": "vorbis", "mp3float": "mp3"}.get(context.name, context.name)
    channels = context.layout.nb_channels if context.layout else 0
    name = f"{name} {channels}-channel" if channels > 2 else name
    return f"{name} {context.sample_rate / 1000:g} kHz" if context.sample_rate > _USUAL_HZ else name


# Converting


def encode(path: str, target: VideoTarget, made: str) -> dict[str, Any]:
    """`path` as `target` says, in the new file `made`. Says how far it is. Raises BadInput."""
    rate = target.bits
    for _ in range(3):
        _once(path, target, made, rate)
        size = Path(made).stat().st_size
        if size <= target.max_bytes:
            break
        rate = int(rate * 0.9 * target.max_bytes / size)
    else:
        raise BadInput(f"The video cannot be made smaller than {target.max_bytes / 1e6:.0f} MB; cut it shorter.")
    _fill_up(made, size, target.min_bytes)
    found = probe(made)
    if (
        "duration" not in found
        or found["damage"]
        or abs(found["duration"] - target.seconds) > 0.25 + 2 / (found["rate"] or 1)
    ):
        raise BadInput("The video cannot be converted: parts of it cannot be decoded; export it as MP4 with H.264.")
    return {**found, "size": Path(made).stat().st_size}


def _fill_up(made: str, size: int, least: int) -> None:
    """To the fewest bytes that are taken, with what players pass over (ISO 14496-12, 8.1.2)."""
    if size < least:
        length = max(8, least - size)
        with Path(made).open("ab") as stream:
            stream.write(length.to_bytes(4, "big") + b"free" + bytes(length - 8))


def _once(path: str, target: VideoTarget, made: str, bits: int) -> None:
    with (
        _opened(path) as source,
        av.open(made, "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as sink,
    ):
        video, audio = _streams(source)
        if video is None:
            raise BadInput("The file has no picture track; choose a video.")
        video.codec_context.thread_count = THREADS
        rate = _rate(video, target)
        pictures = _Pictures(sink, video, target, rate, bits)
        sounds = _Sounds(sink, audio, target.seconds) if audio is not None else None
        start = _start(video, audio)
        for frame, of_sound in _frames(source, video, audio):
            if of_sound and sounds is not None:
                sounds.take(frame, start)
            elif not of_sound:
                pictures.take(frame, start)
        pictures.finish()
        if sounds is not None:
            sounds.finish()


def _start(video: Any, audio: Any) -> Fraction:
    """Seconds; where the first of both begins."""
    known = [s.start_time * s.time_base for s in (video, audio) if s is not None and s.start_time is not None]
    return min(known, default=Fraction(0))


def _rate(video: Any, target: VideoTarget) -> Fraction:
    """Pictures a second. As many as there are in the quickest part: where they come as they like, none is lost."""
    average = video.average_rate or Fraction(0)
    guessed = video.guessed_rate or average
    rate = guessed if average and average < guessed <= Fraction(60) else average or guessed or Fraction(25)
    most, least = Fraction(target.max_rate).limit_denominator(1001), Fraction(target.min_rate).limit_denominator(1001)
    while 0 < rate < least and rate * 2 <= most:
        rate *= 2
    return max(min(rate, most), least, Fraction(1)).limit_denominator(1001)


def _frames(source: Any, video: Any, audio: Any) -> Iterator[tuple[Any, bool]]:
    """Every picture and piece of sound, and which it is. Raises BadInput when too much is broken."""
    streams = [s for s in (video, audio) if s is not None]
    packets = broken = 0
    try:
        for packet in source.demux(streams):
            packets += 1
            try:
                frames = packet.decode()
            except FFmpegError:
                broken += 1
                continue
            for frame in frames:
                yield frame, packet.stream is not video
    except FFmpegError as error:  # what comes behind is lost; the length tells whether it was much
        broken += 1
        if packets == 0:
            raise BadInput(
                "The video cannot be decoded; export it as MP4 with H.264.", detail=repr(error)[:200]
            ) from None
    if broken > max(2, packets * _BROKEN):
        raise BadInput("Too much of the video is damaged; export it again.", detail=f"{broken} of {packets}")


class _Pictures:
    """Frames in, H.264 out: upright, in their size, evenly in time, as long as the source."""

    def __init__(self, sink: Any, source: Any, target: VideoTarget, rate: Fraction, bits: int) -> None:
        self._sink, self._source, self._target, self._rate = sink, source, target, rate
        self._stream = sink.add_stream("libx264", rate=rate)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = target.width, target.height, "yuv420p"
        context.time_base, context.thread_count, context.bit_rate = 1 / rate, THREADS, 0
        context.gop_size = max(1, round(rate * 2))
        kilobits = max(1, bits // 1000)
        context.options = {
            "preset": "veryfast",
            "crf": "21",
            "profile": "high",
            "maxrate": f"{kilobits}k",
            "bufsize": f"{kilobits}k",
            "x264-params": f"threads={THREADS}:open-gop=0",
        }
        self._graph: Any = None
        self._shape: tuple[Any, ...] = ()
        self._last: Any = None
        self._next = 0
        self._told = 0.0

    def take(self, frame: Any, start: Fraction) -> None:
        if frame.pts is None:
            return
        if any(component.is_alpha for component in frame.format.components):
            frame = _on_white(frame)
        at = frame.pts * frame.time_base - start
        if at < 0 or at >= self._target.seconds:
            return
        shape = (frame.width, frame.height, frame.format.name, _turn(frame))
        if shape != self._shape:
            self._drain()
            self._graph, self._shape = self._made(frame), shape
        frame.pts, frame.time_base = round(at * _TICKS), Fraction(1, _TICKS)
        self._graph.push(frame)
        self._last = frame
        self._pull()
        if float(at) - self._told >= _EVERY:
            self._told = float(at)
            _say(f"done {min(0.99, float(at) / max(self._target.seconds, 0.001)):.3f}\n")

    def _made(self, frame: Any) -> Any:
        target, graph = self._target, av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, _TICKS)
        )
        steps = [
            ("yadif", "deint=interlaced"),
            *_TURNS[_turn(frame)],
            ("scale", f"{target.inner_width}:{target.inner_height}:flags=bicubic:out_range=tv"),
            ("pad", f"{target.width}:{target.height}:(ow-iw)/2:(oh-ih)/2:black"),
            ("setsar", "1"),
            ("fps", f"fps={self._rate}:start_time={self._next / self._rate if self._shape else 0}"),
            ("format", "pix_fmts=yuv420p"),
            ("buffersink", None),
        ]
        chain = [source, *(graph.add(name, told) for name, told in steps)]
        for one, other in pairwise(chain):
            one.link_to(other)
        graph.configure()
        return graph

    def _pull(self) -> None:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            self._put(frame)

    def _put(self, frame: Any) -> None:
        if self._next / self._rate >= self._target.seconds:
            return
        frame.pts, frame.time_base, frame.pict_type = self._next, 1 / self._rate, av.video.frame.PictureType.NONE
        self._next += 1
        self._sink.mux(self._stream.encode(frame))

    def _drain(self) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._pull()
            self._graph = None

    def finish(self) -> None:
        """The last picture stands until the end."""
        if self._graph is not None and self._last is not None:
            last = self._last
            last.pts, last.time_base = round(self._target.seconds * _TICKS), Fraction(1, _TICKS)
            self._graph.push(last)
            self._pull()
        self._drain()
        if self._next == 0:
            raise BadInput("No picture of the video can be decoded; export it as MP4 with H.264.")
        self._sink.mux(self._stream.encode(None))


_TICKS = 90_000  # a second; what MPEG counts in
_TURNS: dict[int, list[tuple[str, str | None]]] = {
    0: [],
    90: [("transpose", "cclock")],
    180: [("hflip", None), ("vflip", None)],
    270: [("transpose", "clock")],
}


def _on_white(frame: Any) -> Any:
    """What is transparent becomes white, as in pictures."""
    clear = frame.reformat(format="rgba")
    plane = clear.planes[0]
    picture = Image.frombuffer("RGBA", (frame.width, frame.height), bytes(plane), "raw", "RGBA", plane.line_size, 1)
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, mask=picture.getchannel("A"))
    made: Any = av.VideoFrame.from_image(page)  # type: ignore[no-untyped-call]
    made.pts, made.time_base = frame.pts, frame.time_base
    return made


class _Sounds:
    """Sound in, AAC out: 48 kHz, stereo, with silence where there is a gap, never longer than the video."""

    def __init__(self, sink: Any, source: Any, seconds: float) -> None:
        self._sink, self._source, self._seconds = sink, source, seconds
        self._stream = sink.add_stream("aac", rate=48_000)
        self._stream.codec_context.layout = "stereo"
        self._stream.codec_context.bit_rate = 128_000
        self._graph: Any = None
        self._shape: tuple[Any, ...] = ()
        self._next = 0

    def take(self, frame: Any, start: Fraction) -> None:
        if frame.pts is None or not frame.samples:
            return
        at = frame.pts * frame.time_base - start
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self._drain()
            self._graph, self._shape = self._made(frame), shape
        frame.time_base = Fraction(1, frame.sample_rate)
        frame.pts = round(at * frame.sample_rate)
        self._graph.push(frame)
        self._pull()

    def _made(self, frame: Any) -> Any:
        graph = av.filter.Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format,
            layout=frame.layout,
            time_base=Fraction(1, frame.sample_rate),
        )
        steps = [
            ("aresample", f"48000:async=1000:first_pts={self._next}"),
            ("atrim", f"end={self._seconds}"),
            ("aformat", "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo"),
            ("asetnsamples", "n=1024:p=0"),
            ("abuffersink", None),
        ]
        chain = [source, *(graph.add(name, told) for name, told in steps)]
        for one, other in pairwise(chain):
            one.link_to(other)
        graph.configure()
        return graph

    def _pull(self) -> None:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            frame.pts, frame.time_base = self._next, Fraction(1, 48_000)
            self._next += frame.samples
            self._sink.mux(self._stream.encode(frame))

    def _drain(self) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._pull()
            self._graph = None

    def finish(self) -> None:
        self._drain()
        self._sink.mux(self._stream.encode(None))


if __name__ == "__main__":
    main()
