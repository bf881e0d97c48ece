from tests.shared.fixtures import checkpoint, renderer  # noqa: F401 (fixtures)
