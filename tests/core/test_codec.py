"""Decoding is safe from any thread."""

from __future__ import annotations

import subprocess
import sys

STRESS = """
import sys, threading
import msgspec
from deskwire.core.codec import convert, decode
from deskwire.core.destination import Step
from deskwire.core.facts import Entry, Head, Item, MessageFacts

sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)
stamp = '{"as_of":1,"received_at":2,"record":"r","position":3}'
item = '{"value":{"channel":"chat"},"stamp":%s}' % stamp

def use():
    barrier.wait()
    for _ in range(200):
        decode(item, Item[Head])
        decode("{}", dict[str, Item[Entry]])
        decode('{"action":"a","key":"k","sent":{"payload":{}}}', Step)
        convert({"text": "x"}, MessageFacts)

threads = [threading.Thread(target=use) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
"""


def test_the_first_use_of_a_type_by_eight_threads_at_once_crashes_nothing() -> None:
    codes = [
        subprocess.run([sys.executable, "-c", STRESS], check=False).returncode for _ in range(5)
    ]
    assert codes == [0] * 5
