from tests.shared.fixtures import born, checkpoint, renderer, says  # noqa: F401 (fixtures)
