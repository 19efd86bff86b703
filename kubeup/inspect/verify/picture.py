"""A small PNG of one colour, made here so that no file has to be carried along."""

from __future__ import annotations

import struct
import zlib


def png(red: int, green: int, blue: int, size: int = 24) -> bytes:
    """A square of that colour as a PNG."""
    # each row begins with its filter: none
    row = b"\0" + bytes((red, green, blue)) * size
    # 8 bits a channel, RGB, not interlaced (https://www.w3.org/TR/png/#11IHDR)
    header = struct.pack(">2I5B", size, size, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(row * size))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
