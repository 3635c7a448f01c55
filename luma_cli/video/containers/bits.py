"""What the parameter sets of H.264 and HEVC say about bit depth and brightness curve.

Sources: ITU-T H.264 section 7.3.2.1.1 and annex E, ITU-T H.265 sections 7.3.2.2, 7.3.4, 7.3.7 and annex E.
"""

from collections.abc import Callable
from typing import NamedTuple

HDR = {16: "pq", 18: "hlg"}  # transfer characteristics, ITU-T H.273
_H264_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_EXPLICIT_ASPECT = 255


class Depth(NamedTuple):
    """Bits of a sample, and "pq" or "hlg" if the picture is HDR."""

    bits: int | None = None
    hdr: str | None = None


class _Bits:
    """Bits in order; what lies beyond the end is a ValueError."""

    def __init__(self, data: bytes) -> None:
        # 00 00 03 hides what would else look like the next unit's start.
        plain = data.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(plain), len(plain) * 8

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("no bits left")
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """A number of variable length, `ue(v)`."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("not a number")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """`se(v)`."""
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -(value // 2)

    def golombs(self, count: int) -> None:
        for _ in range(count):
            self.golomb()


def h264_depth(unit: bytes) -> Depth:
    """Of a sequence parameter set with its header of one byte."""
    return _depth(_h264, unit[1:257])


def hevc_depth(unit: bytes) -> Depth:
    """Of a sequence parameter set with its header of two bytes."""
    return _depth(_hevc, unit[2:514])


def _depth(parse: Callable[[_Bits, list[int]], int | None], data: bytes) -> Depth:
    """What was read before the data made no sense is still said."""
    depths: list[int] = []
    try:
        transfer = parse(_Bits(data), depths)
    except ValueError:
        transfer = None
    return Depth(depths[0] if depths else None, HDR.get(transfer or 0))


def _h264(bits: _Bits, depths: list[int]) -> int | None:
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    if profile in _H264_HIGH:
        chroma = bits.golomb()
        bits.take(1 if chroma == 3 else 0)
        depths.append(8 + max(bits.golomb(), bits.golomb()))
        bits.take(1)
        if bits.take(1):
            for number in range(12 if chroma == 3 else 8):
                _skip_h264_scaling(bits, 16 if number < 6 else 64)
    else:
        depths.append(8)
    bits.golomb()
    _skip_picture_order(bits)
    bits.golomb()
    bits.take(1)
    bits.golombs(2)
    bits.take(0 if bits.take(1) else 1)
    bits.take(1)
    if bits.take(1):
        bits.golombs(4)
    return _transfer(bits) if bits.take(1) else None


def _skip_h264_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    if not bits.take(1):
        return
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    match bits.golomb():
        case 0:
            bits.golomb()
        case 1:
            bits.take(1)
            bits.golombs(2)
            bits.golombs(min(bits.golomb(), 256))


def _transfer(bits: _Bits) -> int | None:
    """From the beginning of the usability information, which both codecs share."""
    if bits.take(1) and bits.take(8) == _EXPLICIT_ASPECT:
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if not bits.take(1):
        return None
    bits.take(4)
    if not bits.take(1):
        return None
    bits.take(8)
    return bits.take(8)


def _hevc(bits: _Bits, depths: list[int]) -> int | None:
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    _skip_profile(bits, layers)
    bits.golomb()
    if bits.golomb() == 3:
        bits.take(1)
    bits.golombs(2)
    if bits.take(1):
        bits.golombs(4)
    depths.append(8 + max(bits.golomb(), bits.golomb()))
    order_bits = 4 + bits.golomb()
    bits.golombs(3 * (layers + 1 if bits.take(1) else 1))
    bits.golombs(6)
    if bits.take(1) and bits.take(1):
        _skip_hevc_scaling(bits)
    bits.take(2)
    if bits.take(1):
        bits.take(8)
        bits.golombs(2)
        bits.take(1)
    _skip_reference_sets(bits)
    if bits.take(1):
        for _ in range(min(bits.golomb(), 32)):
            bits.take(order_bits + 1)
    bits.take(2)
    return _transfer(bits) if bits.take(1) else None


def _skip_profile(bits: _Bits, layers: int) -> None:
    bits.take(88)
    bits.take(8)
    flags = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for has_profile, has_level in flags:
        bits.take(88 * has_profile + 8 * has_level)


def _skip_hevc_scaling(bits: _Bits) -> None:
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.take(1):
                bits.golomb()
                continue
            bits.golombs(min(64, 1 << (4 + 2 * size)) + (size > 1))


def _skip_reference_sets(bits: _Bits) -> None:
    """The short-term reference picture sets; each may be written as a difference to the one before."""
    counts: list[int] = []
    for number in range(min(bits.golomb(), 64)):
        if number and bits.take(1):
            bits.take(1)
            bits.golomb()
            used = 0
            for _ in range(counts[-1] + 1):
                used += 1 if bits.take(1) else bits.take(1)
            counts.append(used)
        else:
            count = bits.golomb() + bits.golomb()
            for _ in range(min(count, 32)):
                bits.golomb()
                bits.take(1)
            counts.append(count)
