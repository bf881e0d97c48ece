"""The beginning of `ponder serve`: the address, what is printed, and a signal that comes early."""

import subprocess
import sys

import pytest

from ponder.http.listening import address_from_here, listen

EARLY = """
import os, signal, sys
from pathlib import Path
from ponder.server.start import serve

def mount_after_a_signal(app, base_url, model):
    os.kill(os.getpid(), signal.{signal})
    return lambda: None
serve.serve(Path(sys.argv[1]), serve.ServeSettings(port=0, names=("a [red]model[/x]", "b")), mount_after_a_signal)
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_signal_between_loading_and_serving_is_not_lost(checkpoint, signal):
    command = [sys.executable, "-c", EARLY.format(signal=signal), str(checkpoint)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "Ponder serves a [red]model[/x], b on http://127.0.0.1:" in done.stdout
    drawing = "temperature 1, top_p 1, top_k 0, min_p 0, repetition_penalty 1, presence_penalty 0, frequency_penalty 0"
    assert f"{drawing} where a request says nothing" in done.stdout


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1")])
def test_the_page_reaches_the_server_where_it_listens(host, shown):
    with listen(host, 0) as listener:
        assert address_from_here(listener) == f"{shown}:{listener.getsockname()[1]}"
