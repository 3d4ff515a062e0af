"""Workbooks: a file of a stranger, read in a process of its own that can be stopped."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from pathlib import PurePath

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from deskwire.core.codec import decode
from deskwire.core.table import Sheet, Workbook
from deskwire.core.text import storable
from deskwire.pipeline.files import MIB, Broken

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: So small that it is harmless, however much of it is air.
HARMLESS = 16 * MIB

_END = struct.Struct("<4s4H2LH")  # of a zip's directory
_FILE = struct.Struct("<4s6H3L5H2L")  # an entry of it
_LONGEST_COMMENT = 1 << 16


class Limits(Struct, frozen=True, kw_only=True):
    """What one file may take."""

    file_bytes: int = 64 * MIB
    unpacked_bytes: int = 256 * MIB
    ratio: int = 200  #: unpacked to packed, of what is not harmless anyway
    entries: int = 10_000  #: of a zip
    cells: int = 5_000_000
    memory_bytes: int = 1024 * MIB  #: of the process that reads it
    seconds: int = 60  #: of its time, and of its processor's
    body_bytes: int = 256 * MIB  #: of what was read


LIMITS = Limits()


def parse(content: bytes, name: str, zone: str = "UTC", limits: Limits = LIMITS) -> Workbook:
    """The sheets of a workbook or of a CSV file; Broken when it is none or asks for too much."""
    if len(content) > limits.file_bytes:
        raise Broken(f"it has more than {limits.file_bytes // MIB} MiB: split it")
    if not content.strip():
        raise Broken("it is empty")
    if content.startswith(ZIP):
        _weigh(content, limits)
    elif not content.startswith(OLE) and b"\0" in content:
        raise Broken("it is no workbook (XLSX, XLS, ODS) and no CSV file in UTF-8 or cp1252")
    name = storable(name)
    sheets = decode(_read_apart(content, limits), list[Sheet])
    if not any(sheet.rows for sheet in sheets):
        raise Broken("it is empty")
    named = [replace(one, name=one.name or PurePath(name).stem) for one in sheets]
    return Workbook(file=name, sheets=named, zone=zone)


def _weigh(content: bytes, limits: Limits) -> None:
    """Broken when a zip says of itself that it is a bomb; what lies is left to the process."""
    unpacked = _unpacked_bytes(content, limits)
    if unpacked > limits.unpacked_bytes:
        raise Broken(
            f"unpacked it has {unpacked // MIB} MiB; {limits.unpacked_bytes // MIB} are allowed"
        )
    if unpacked > max(HARMLESS, limits.ratio * len(content)):
        raise Broken(
            f"it unpacks to {unpacked // len(content)} times its size: it is no ordinary workbook"
        )


def _unpacked_bytes(content: bytes, limits: Limits) -> int:
    at = content.rfind(b"PK\x05\x06", max(0, len(content) - _END.size - _LONGEST_COMMENT))
    if at < 0 or at + _END.size > len(content):
        raise Broken("it breaks off: its zip has no directory")
    _, _, _, _, entries, _, place, _ = _END.unpack_from(content, at)
    if entries > limits.entries:
        raise Broken(f"it is a zip of {entries} files: it is no ordinary workbook")
    total = 0
    for _ in range(entries):
        if place + _FILE.size > len(content):
            break  # its reader says what is wrong with it
        entry = _FILE.unpack_from(content, place)
        total += entry[9]
        place += _FILE.size + sum(entry[10:13])
    return total


def _read_apart(content: bytes, limits: Limits) -> bytes:
    told = msgspec.json.encode(limits).decode()
    try:
        done = subprocess.run(  # noqa: S603 - our own module, and no shell
            [sys.executable, "-m", "deskwire.pipeline.reading_apart", told],
            input=content,
            capture_output=True,
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"it takes longer than {limits.seconds} s to read: split it") from None
    if done.returncode == 0:
        return done.stdout
    if done.returncode == 1 and done.stdout:
        raise Broken(done.stdout.decode("utf-8", "replace"))
    if done.returncode == -signal.SIGXCPU:
        raise Broken(f"it takes longer than {limits.seconds} s to read: split it")
    raise Broken(
        "its reader fails on it: it is broken, or needs more than "
        f"{limits.memory_bytes // MIB} MiB of memory"
    )
