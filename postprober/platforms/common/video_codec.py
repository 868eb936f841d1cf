"""How a video is coded, from the sample description of its picture track (ISO 14496-12 `stsd`, ISO 14496-15; the ids of
WebM from RFC 9559).

The name is the codec's, with what of it not every player takes: `h264`, `h264 10-bit`, `h264 4:2:2`, `hevc 10-bit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

_NAMES = {
    b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"dvh1": "hevc", b"dvhe": "hevc",
    b"vp08": "vp8", b"vp09": "vp9", b"av01": "av1", b"mp4v": "mpeg4", b"jpeg": "mjpeg", b"mjpa": "mjpeg", b"s263": "h263",
    b"apch": "prores", b"apcn": "prores", b"apcs": "prores", b"apco": "prores", b"ap4h": "prores", b"ap4x": "prores",
    b"AVdh": "dnxhd", b"AVdn": "dnxhd",
}  # fmt: skip  # table: names of one codec stand together
_WEBM = {b"V_VP8": "vp8", b"V_VP9": "vp9", b"V_AV1": "av1", b"V_MPEG4/ISO/AVC": "h264", b"V_MPEGH/ISO/HEVC": "hevc"}
_CHROMA = {0: "4:0:0", 1: "", 2: "4:2:2", 3: "4:4:4"}  # chroma_format_idc; 4:2:0 is what everybody means
_HIGH = frozenset(
    {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
)  # profiles that state it (H.264 7.3.2.1.1)
_ENTRY = 78  # bytes of a visual sample entry in front of its boxes


def codec_of(kind: bytes, entry: bytes, boxes: Callable[[bytes], Mapping[bytes, bytes]]) -> str:
    """The name for a sample entry of `kind` (four letters) with body `entry`; `boxes` reads child boxes. A codec that is
    not known has its four letters as name."""
    name = _NAMES.get(kind) or kind.decode("latin-1").strip()
    inner = boxes(entry[_ENTRY:])
    depth, chroma = 8, 1
    if name == "h264" and b"avcC" in inner:
        depth, chroma = _avc(inner[b"avcC"])
    elif name == "hevc" and len(inner.get(b"hvcC", b"")) > 18:
        chroma, depth = inner[b"hvcC"][16] & 3, (inner[b"hvcC"][17] & 7) + 8
    elif name == "vp9" and len(inner.get(b"vpcC", b"")) > 6:
        packed = inner[b"vpcC"][6]
        depth, chroma = packed >> 4, {0: 1, 1: 1, 2: 2, 3: 3}.get(packed >> 1 & 7, 1)
    elif name == "av1" and len(inner.get(b"av1C", b"")) > 2:
        depth = (12 if inner[b"av1C"][2] & 0x20 else 10) if inner[b"av1C"][2] & 0x40 else 8
    return " ".join(filter(None, (name, f"{depth}-bit" if depth > 8 else "", _CHROMA.get(chroma, ""))))


def webm_codec(codec_id: bytes) -> str:
    """The name for a CodecID of Matroska."""
    text = codec_id.rstrip(b"\0")
    return _WEBM.get(text) or text.decode("latin-1")


def _avc(config: bytes) -> tuple[int, int]:
    """Bits of a sample and chroma format, from the first sequence parameter set of an `avcC` box."""
    if len(config) < 8 or not config[5] & 31:
        return 8, 1
    sps = config[8 : 8 + int.from_bytes(config[6:8], "big")]
    if len(sps) < 5 or sps[1] not in _HIGH:
        return 8, 1
    reader = _Bits(sps[4:].replace(b"\0\0\3", b"\0\0"))
    reader.golomb()  # seq_parameter_set_id
    chroma = reader.golomb()
    if chroma == 3:
        reader.bit()
    return 8 + reader.golomb(), chroma


class _Bits:
    """Bits from the left; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def bit(self) -> int:
        byte, self._at = self._at >> 3, self._at + 1
        return self._data[byte] >> (7 - (self._at - 1 & 7)) & 1 if byte < len(self._data) else 0

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number; 0 where the data ends."""
        zeros = 0
        while zeros < 16 and not self.bit():
            zeros += 1
        value = 1
        for _ in range(zeros):
            value = value << 1 | self.bit()
        return value - 1 if zeros < 16 else 0
