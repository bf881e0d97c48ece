"""Running the test functions and classes of a module: its failure is raised, as it came.

Where the module uses pytest, or asks for fixtures, pytest itself runs it; otherwise what there is, functions named
test_*, classes named Test*, unittest's, is run here with the set-ups and tear-downs that these know.
"""

import asyncio
import inspect
import os
import sys
import types
import unittest

FILE = "tests_of_the_module.py"


class Unusable(Exception):
    """The test code is at fault: a fixture that nobody defines, parameters that do not fit."""


def hold_pytest() -> None:
    """`pytest.main()` at the end of a module does nothing: the module is run anyway."""
    try:
        import pytest
    except ImportError:
        return
    hold_pytest.main = pytest.main
    pytest.main = lambda *args, **kwargs: 0


def is_skip(error: BaseException) -> bool:
    if isinstance(error, unittest.SkipTest):
        return True
    outcomes = sys.modules.get("_pytest.outcomes")
    return outcomes is not None and isinstance(error, outcomes.Skipped)


def run_all(module: types.ModuleType, code: str) -> None:
    """Raises the first failure of a test."""
    functions, classes, cases = _collect(module)
    if not (functions or classes or cases):
        return
    methods = [m for kind in classes for n, m in vars(kind).items() if n.startswith("test") and _is_function(m)]
    wants = any(inspect.signature(function).parameters for function in functions)
    wants = wants or any(len(inspect.signature(method).parameters) > 1 for method in methods)
    if "pytest" in sys.modules or wants:
        try:
            import pytest
        except ImportError:
            raise ImportError("the test code asks for fixtures, and pytest is not installed") from None
        run_with_pytest(pytest, module, code)
    else:
        _run_plain(module, functions, classes, cases)


def _collect(module: types.ModuleType) -> tuple[list, list, list]:
    functions, classes, cases = [], [], []
    for name, value in list(vars(module).items()):
        if _is_function(value) and name.startswith("test"):
            functions.append(value)
        elif isinstance(value, type) and value.__module__ == "__main__":
            if issubclass(value, unittest.TestCase):
                cases.append(value)
            elif name.startswith("Test"):
                classes.append(value)
    return functions, classes, cases


def _is_function(value: object) -> bool:
    return isinstance(value, types.FunctionType) and value.__module__ == "__main__"


# ---- without pytest ----


def _run_plain(module: types.ModuleType, functions: list, classes: list, cases: list) -> None:
    _call(module, "setup_module", module)
    try:
        for function in functions:
            _call(module, "setup_function", function)
            try:
                _run(function)
            finally:
                _call(module, "teardown_function", function)
        for kind in classes:
            _run_class(kind)
    finally:
        _call(module, "teardown_module", module)
    if cases:
        _run_cases(cases)


def _run(function, *args) -> None:
    """One test. Skipping it is for the tests to say, so no failure."""
    try:
        result = function(*args)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except unittest.SkipTest:
        return


def _call(owner: object, name: str, *given) -> None:
    """A set-up or tear-down, where there is one, with as much of what is given as it takes."""
    function = getattr(owner, name, None)
    if callable(function):
        function(*given[: len(inspect.signature(function).parameters)])


def _run_class(kind: type) -> None:
    _call(kind, "setup_class", kind)
    try:
        for name, method in list(inspect.getmembers(kind, inspect.isfunction)):
            if name.startswith("test"):
                instance = kind()
                _call(instance, "setup_method", method)
                try:
                    _run(method, instance)
                finally:
                    _call(instance, "teardown_method", method)
    finally:
        _call(kind, "teardown_class", kind)


class _First(unittest.TestResult):
    """Keeps the first failure and stops."""

    error: BaseException | None = None

    def _fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.stop()

    def addError(self, test, err):
        self._fail(err[1])

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._fail(err[1])

    def addUnexpectedSuccess(self, test):
        self._fail(AssertionError(f"{test} was expected to fail, and did not"))


def _run_cases(cases: list[type[unittest.TestCase]]) -> None:
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(kind) for kind in cases)
    result = _First()
    suite.run(result)
    if result.error is not None:
        raise result.error


# ---- with pytest ----


def run_with_pytest(pytest, module: types.ModuleType, code: str) -> None:
    """The module as pytest runs it: marks, fixtures, parameters, classes."""

    class Given(pytest.Module):
        """The module is there already: it is not imported again."""

        def _getobj(self):
            return module

    class Plugin:
        error: BaseException | None = None

        def pytest_pycollect_makemodule(self, module_path, parent):
            return Given.from_parent(parent, path=module_path)

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(self, pyfuncitem):
            if not inspect.iscoroutinefunction(pyfuncitem.obj):
                return None
            names = pyfuncitem._fixtureinfo.argnames
            asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
            return True

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_makereport(self, item, call):
            report = (yield).get_result()
            if report.failed and self.error is None:
                self.error = call.excinfo.value if call.excinfo else AssertionError(str(report.longrepr))

        def pytest_collectreport(self, report):
            if report.failed and self.error is None:
                self.error = Unusable(str(report.longrepr)[-1000:])

    plugin = Plugin()
    with open(FILE, "w", encoding="utf-8", errors="replace") as file:
        file.write(code)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["-x", "-c", os.devnull, "--rootdir", os.getcwd(), "--capture=sys", "--assert=plain"]
    options += [part for name in ("cacheprovider", "faulthandler", "terminal") for part in ("-p", f"no:{name}")]
    options += ["-o", "python_files=*.py"]
    status = getattr(hold_pytest, "main", pytest.main)([*options, FILE], plugins=[plugin])
    os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
    if plugin.error is not None:
        if type(plugin.error).__name__ == "FixtureLookupError":
            raise Unusable(f"the tests ask for the fixture {plugin.error.argname!r}, which nobody defines")
        raise plugin.error
    if status not in (0, 5):  # passed; nothing collected
        raise Unusable(f"pytest could not run the tests (status {int(status)})")
