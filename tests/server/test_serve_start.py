"""The beginning of `ponder serve`: the address, what is printed, and a signal that comes early."""

import subprocess
import sys

import pytest

from ponder.http.listening import address_from_here, listen
from ponder.server.start.chat_form import ChatForm

EARLY = """
import os, signal, sys
from pathlib import Path
from ponder.server.start import serve

def mount_after_a_signal(app, base_url, model):
    os.kill(os.getpid(), signal.{signal})
    return lambda: None
names, chat = ("a [red]model[/x]", "b"), serve.ChatForm(*(Path(given) for given in sys.argv[2:]))
serve.serve(Path(sys.argv[1]), serve.ServeSettings(port=0, names=names, chat=chat), mount_after_a_signal)
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_signal_between_loading_and_serving_is_not_lost(checkpoint, signal):
    command = [sys.executable, "-c", EARLY.format(signal=signal), str(checkpoint)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "Ponder serves a [red]model[/x], b on http://127.0.0.1:" in done.stdout
    drawing = "temperature 1, top_p 1, top_k 0, min_p 0, repetition_penalty 1, presence_penalty 0, frequency_penalty 0"
    assert f"{drawing} where a request says nothing" in done.stdout
    assert "tool calls are read in the form hermes\n" in done.stdout


def test_another_chat_template_and_the_marks_that_it_names(checkpoint, tmp_path):
    template = tmp_path / "mine.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}{# [TOOL_CALLS] #}")
    command = [sys.executable, "-c", EARLY.format(signal="SIGTERM"), str(checkpoint), str(template)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "in the form mistral; tools stand in the system message, since its template shows none" in done.stdout
    with pytest.raises(ValueError, match="--tool-parser hermess: there are auto, hermes"):
        ChatForm(template, "hermess")


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1")])
def test_the_page_reaches_the_server_where_it_listens(host, shown):
    with listen(host, 0) as listener:
        assert address_from_here(listener) == f"{shown}:{listener.getsockname()[1]}"
