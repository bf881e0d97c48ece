"""Sessions: state from cell to cell, and nothing from session to session."""

import threading

import pytest

from ponder.sandbox import IsolationError, Limits, QueueFull, Sandbox
from ponder.sandbox.pool import Pool
from ponder.sandbox.settings import Settings
from tests.sandbox.waiting import wait_until


@pytest.fixture(scope="module")
def own_sandbox():
    try:
        with Sandbox(workers=2, memory_mb=256, timeout_s=5.0) as sandbox:
            sandbox.describe()
            yield sandbox
    except IsolationError as error:
        pytest.skip(f"this machine cannot isolate programs: {error}")


@pytest.fixture
def session(own_sandbox):
    with own_sandbox.open_session() as session:
        yield session


def test_state_lasts_and_the_last_expression_is_shown(session):
    assert session.run("x = [1]\ndef f(): return len(x)").result is None
    assert session.run("x.append(2)\nf()").result == "2"
    assert session.run("_ + 1").result == "3"
    cell = session.run("print('out'); import sys; print('err', file=sys.stderr)\n'é'")
    assert (cell.outcome, cell.stdout, cell.stderr, cell.result) == ("passed", "out\n", "err\n", "'é'")


def test_errors_are_shown_with_the_cells_lines(session):
    cell = session.run("def broken():\n    return 1 / 0")
    cell = session.run("broken()")
    assert cell.outcome == "runtime_error" and cell.alive
    assert cell.error.startswith("Traceback") and "return 1 / 0" in cell.error and "jail" not in cell.error
    assert session.run("x =").error.rstrip().endswith("SyntaxError: invalid syntax")
    assert session.run("exit()").outcome == "runtime_error"
    assert session.run("input()").error.rstrip().splitlines()[-1].startswith("EOFError")
    assert session.run("1").result == "1"


def test_a_slow_cell_is_interrupted_and_the_state_stays(session):
    session.run("n = 7")
    cell = session.run("import time\ntime.sleep(60)", timeout_s=0.2)
    assert cell.outcome == "timeout" and cell.alive
    assert session.run("n").result == "7"


def test_a_cell_that_will_not_stop_ends_its_session(session):
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    cell = session.run(stubborn, timeout_s=0.2)
    assert cell.outcome == "timeout" and not cell.alive
    with pytest.raises(KeyError):
        session.run("1")


def test_interrupt_from_outside(session):
    pending = session.submit("import time\nprint('on', flush=True)\ntime.sleep(60)", 5.0)
    interrupter = threading.Thread(target=lambda: wait_until(lambda: session.interrupt() or pending.done()))
    interrupter.start()
    cell = pending.result()
    interrupter.join()
    assert cell.outcome == "runtime_error" and "KeyboardInterrupt" in cell.error
    assert session.run("2").result == "2"


def test_output_is_cut_and_the_session_lives(session):
    cell = session.run("print('a' * (5 << 20))\n'b' * (5 << 20)")
    assert cell.outcome == "passed" and 1_000_000 < len(cell.stdout) < 1_100_000 and "output cut" in cell.stdout
    assert len(cell.result) < 100_000
    assert session.run("print('ok')").stdout == "ok\n"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("import os; os._exit(0)", "runtime_error"),
        ("import ctypes; ctypes.string_at(0)", "runtime_error"),
        ("import os; os.close(3)", "runtime_error"),
        ("import os; os.write(3, b'garbage' * 100)", "runtime_error"),
    ],
)
def test_cells_that_end_the_process(session, code, outcome):
    cell = session.run(code)
    assert cell.outcome == outcome and not cell.alive


def test_a_channel_that_is_full_does_not_hold_a_session(session):
    code = (
        "import socket\nc = socket.socket(fileno=3)\nb = b'x' * 300000\nc.setblocking(False)\n"
        "c.send(len(b).to_bytes(4, 'big') + b + b'yy')\n"
        "for _ in range(50):\n    try: socket.send_fds(c, [b'z' * 4000], [1, 2])\n    except OSError: break"
    )
    assert not session.run(code, timeout_s=1.0).alive


def test_memory_of_a_session_is_limited(session):
    assert session.run("x = bytearray(1 << 31)\nfor i in range(0, len(x), 4096): x[i] = 1").outcome == "memory"


def test_a_fork_in_a_cell_answers_once(session):
    assert session.run("import os\nos.fork()\n1").result == "1"
    assert session.run("2").result == "2"


def test_sessions_do_not_see_each_other(own_sandbox):
    with own_sandbox.open_session() as one, own_sandbox.open_session() as other:
        one.run("x = 1\nopen('/tmp/mine', 'w').write('x')\nimport builtins\nbuiltins.len = None")
        assert "NameError" in other.run("x").error
        assert other.run("import os\nos.path.exists('/tmp/mine'), len([1])").result == "(False, 1)"


def test_sessions_are_limited_expire_and_free_their_place():
    import asyncio

    async def story() -> None:
        pool = Pool(Settings(workers=1, sessions=1, session_idle_s=0.2, timeout_s=5.0))
        try:
            await pool.start()
        except IsolationError as error:
            pytest.skip(str(error))
        first = await pool.open_session(Limits())
        with pytest.raises(QueueFull, match=r"1 sessions are open, .*--sessions"):
            await pool.open_session(Limits())
        assert (await pool.run_cell(first, "1 + 1")).result == "2"
        with pytest.raises(ValueError, match="this session allows up to 5"):
            await pool.run_cell(first, "1", timeout_s=6)
        while pool.session_ids():
            await asyncio.sleep(0.02)
        with pytest.raises(KeyError):
            await pool.run_cell(first, "1")
        second = await pool.open_session(Limits())
        await pool.close_session(second)
        await pool.close_session(second)
        await pool.close()

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_cell_that_is_no_python_shows_nothing_but_itself(sandbox):
    with sandbox.open_session() as session:
        assert (
            session.run("x = (").error
            == "  File \"<cell 1>\", line 1\n    x = (\n        ^\nSyntaxError: '(' was never closed\n"
        )
        assert session.run("1 / 0").error.count("File ") == 1


def test_many_sessions_at_a_time():
    with Sandbox(workers=1, sessions=40, memory_mb=256, timeout_s=5.0) as many:
        try:
            many.describe()
        except IsolationError as error:
            pytest.skip(str(error))
        sessions = [many.open_session() for _ in range(40)]
        assert [session.run(f"{number} + 1").result for number, session in enumerate(sessions)] == [
            str(number + 1) for number in range(40)
        ]
        with pytest.raises(QueueFull, match="40 sessions are open"):
            many.open_session()
