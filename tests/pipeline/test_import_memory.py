"""An import's memory, measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deskwire

#: Imports a file; prints how many conversations were new, and its peak memory in KiB. Not
#: `ru_maxrss`: that begins with what the process took that started this one.
PEAK = """
import re, sys
from pathlib import Path
from deskwire import settings
from deskwire.pipeline.importing import Plan, import_files
from deskwire.store import schema
hub = settings.open_hub(settings.Settings())
schema.upgrade(hub.database)
imported = import_files(hub, Plan(source=hub.sources["intercom"]), sys.argv[1:])
hub.database.close()
assert not imported.errors
print(imported.new, re.search("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
"""
TALK = "Where is my order? It was to be here on Monday. " * 400


def peak_mib(folder: Path, *, big: int, small: int) -> float:
    """What the import of so many conversations of 1 MB and of 40 kB takes, from one list."""
    folder.mkdir()
    with (folder / "list.json").open("w") as file:
        for number in range(big + small):
            author = {"type": "user", "id": f"u{number}"}
            body = TALK * (50 if number < big else 2)
            told = {"id": f"{number}", "created_at": 1, "source": {"body": body, "author": author}}
            file.write(("[" if number == 0 else ",") + json.dumps(told))
        file.write("]")
    source = Path(deskwire.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "list.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    new, kib = done.stdout.split()
    assert int(new) == big + small
    return int(kib) / 1024


@pytest.mark.parametrize(
    ("big", "small"), [(2, 200), pytest.param(10, 1200, marks=pytest.mark.soak)]
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, big: int, small: int) -> None:
    little = peak_mib(tmp_path / "little", big=1, small=1)

    assert peak_mib(tmp_path / "much", big=big, small=small) < little + 30
