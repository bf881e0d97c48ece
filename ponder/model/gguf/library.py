"""The package `gguf`, which Ponder does without until a GGUF file is wanted."""

from types import ModuleType

from ponder.extras import how_to_install


def gguf_library() -> ModuleType:
    """The package. ValueError where it is not installed."""
    try:
        import gguf
    except ImportError:
        raise ValueError(f"GGUF files need the package gguf: {how_to_install('gguf')}") from None
    return gguf
