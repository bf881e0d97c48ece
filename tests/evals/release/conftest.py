"""A checkpoint that may be released, made once in each file of tests, and a copy of it for each test to spoil."""

import shutil

import pytest

from tests.evals.release.made import checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def place(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "model")
