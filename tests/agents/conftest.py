from tests.shared.fixtures import renderer  # noqa: F401 (fixtures)
