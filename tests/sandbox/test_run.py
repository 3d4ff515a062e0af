import os
import signal
import subprocess
import sys
import time
import urllib.request

RUN = "from deskwire.sandbox.run import run_sandbox; run_sandbox({!r}, 0, 0.0, 1)"


def test_a_service_runs_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-c", RUN.format("ourapi")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}/chats") as answer:
            assert answer.read() == b"[]"
        stopped_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - stopped_at < 1
