"""The language of a text, by langdetect, which the official checker asks too.

langdetect draws n-grams at random. Here they are drawn from the same seed for every text, and its profiles are loaded in
a fixed order, so a text has one language, in every thread and process. Its own `detect` is not used: that has no seed,
and its profiles are global.
"""

import os
import threading
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ponder.tasks.suggest import unknown_name
from ponder.verifiers.instructions.checked import Checked

_loading = threading.Lock()
os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


def detect(text: str) -> str | None:
    """Code of the language, "unknown" where no one is likely; None where the text has nothing to tell it by.

    Only the first 10,000 characters count, without addresses and repeated spaces.
    """
    ranked = ranking(text)
    return ranked if ranked is None else next(iter(ranked), "unknown")


def ranking(text: str) -> dict[str, float] | None:
    """Languages with a probability above 0.1, likely ones first; None where the text has nothing to tell them by."""
    from langdetect import LangDetectException

    detector = _profiles().create()
    detector.append(text)
    try:
        return {found.lang: found.prob for found in detector.get_probabilities()}
    except LangDetectException:
        return None


def known_languages() -> tuple[str, ...]:
    """ISO 639-1 codes; Chinese is zh-cn and zh-tw."""
    return tuple(sorted(_profiles().get_lang_list()))


def response_language(content: str, language: str) -> Checked:
    found = detect(content)
    if found is None:
        return Checked(True, "too little text to tell its language, which counts as followed")
    return Checked(found == language, f"its language is found to be {found!r}, asked for {language!r}")


def language(value: Any) -> str:
    """An argument: the code of a language that can be told."""
    if not isinstance(value, str) or value not in known_languages():
        raise ValueError(
            f"must be a language code of langdetect: {unknown_name('language', str(value), known_languages())}"
        )
    return value


def _profiles() -> Any:
    with _loading:  # else threads that come first together would all load them
        return _load()


@lru_cache(maxsize=1)
def _load() -> Any:
    """langdetect's factory: 55 languages, half a second."""
    from langdetect.detector_factory import DetectorFactory

    factory = DetectorFactory()
    factory.set_seed(0)
    profiles = sorted(files("langdetect").joinpath("profiles").iterdir(), key=lambda path: path.name)
    factory.load_json_profile([path.read_text(encoding="utf-8") for path in profiles if not path.name.startswith(".")])
    return factory
