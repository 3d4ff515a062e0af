"""Files that appear whole or not at all, and never in the place of another."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count, islice
from pathlib import Path
from uuid import uuid4

from deskwire.core.errors import NoAnswer, NotSent
from deskwire.destinations.transcript_files.layout import NUMBER

FILE_MODE, FOLDER_MODE = 0o640, 0o750  #: less what the umask takes
#: A layout has no part that begins with a dot: this is never taken for a transcript.
TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
LEFT_OVER_SECONDS = 3600.0  # of a temporary file: whoever wrote it is gone
MOST_SEEN = 1000  # entries of a directory that are looked through for such: it may have millions

ADVICE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EFBIG: "raise the limit for the size of files",
    errno.EACCES: "let the user that runs deskwire write there",
    errno.EPERM: "let the user that runs deskwire write there, on a file system with hard links",
    errno.ENOTSUP: "choose a directory on a file system with hard links",
    errno.EROFS: "mount it so that it can be written",
    errno.EIO: "look at the disk",
    errno.ENOTDIR: "a file or symbolic link is where a directory belongs: move it away",
    errno.ELOOP: "a file or symbolic link is where a directory belongs: move it away",
    errno.ENAMETOOLONG: "shorten the layout",
}


def publish(directory: str, path: str, number: int, content: bytes) -> int:
    """Have the content in a file, under the number or the next that is not taken; which it is.

    The same content under a number is that file, so that it can be done again. NotSent: nothing
    was made. NoAnswer: it may be there.
    """
    for found in count(number):
        if _has(directory, path.replace(NUMBER, str(found)), content):
            return found
    raise AssertionError


def _has(directory: str, path: str, content: bytes) -> bool:
    """Whether the file has the content now; False: it was there before with another."""
    *folders, name = path.split("/")
    failure: type[NotSent | NoAnswer] = NotSent
    try:
        with _opened(Path(directory), folders) as folder:
            if not _is_there(folder, name):
                _link(folder, name, content)
            failure = NoAnswer
            if not _holds(folder, name, content):
                return False
            os.fsync(folder)
            return True
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "look at the directory")
        message = f"cannot write {path} in {directory}: {error.strerror}; {advice}"
        raise failure(message) from error


@contextmanager
def _opened(directory: Path, folders: list[str]) -> Iterator[int]:
    """The last of the folders, made where it is missing.

    Step by step from the directory and through no symbolic link: nothing leads out of it.
    """
    _make(directory)
    with ExitStack() as stack:
        here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, here)
        for name in folders:
            with suppress(FileExistsError):
                os.mkdir(name, FOLDER_MODE, dir_fd=here)
            os.fsync(here)
            here = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            stack.callback(os.close, here)
        yield here


def _make(directory: Path) -> None:
    if directory.is_dir():
        return
    _make(directory.parent)
    directory.mkdir(FOLDER_MODE, exist_ok=True)
    above = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _holds(folder: int, name: str, content: bytes) -> bool:
    there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(there.st_mode) or there.st_size != len(content):
        return False
    with open(name, "rb", opener=partial(os.open, dir_fd=folder)) as file:
        return file.read() == content


def _link(folder: int, name: str, content: bytes) -> None:
    """The whole file at once, unless the name was taken meanwhile."""
    _sweep(folder)
    temporary = f".{uuid4().hex}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    descriptor = os.open(temporary, flags, FILE_MODE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)


def _sweep(folder: int) -> None:
    """Remove what writers that were killed left behind; what cannot be is left."""
    left_before = time.time() - LEFT_OVER_SECONDS
    with suppress(OSError), os.scandir(folder) as entries:
        for one in islice(entries, MOST_SEEN):
            if not TEMPORARY.fullmatch(one.name):
                continue
            if one.stat(follow_symlinks=False).st_mtime < left_before:
                os.unlink(one.name, dir_fd=folder)
