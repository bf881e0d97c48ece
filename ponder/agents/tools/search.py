"""Search over the text files of a folder: the passages that have a question's words, best first (BM25)."""

from pathlib import Path

from ponder.agents.tools.functions import FunctionTool
from ponder.agents.tools.passages import Passage, read_folder, words_of
from ponder.agents.tools.tool import ToolError
from ponder.extras import how_to_install

MOST_RESULTS = 20
MOST_QUERY = 1_000  # characters


class SearchTool(FunctionTool):
    """
    Attributes:
        folder: what was read of it

    Raises:
        ValueError: no folder, none of its files can be searched, too much text, or the package bm25s is not here.
    """

    def __init__(self, path: str | Path):
        self.folder = read_folder(path)
        self._index = _index(self.folder.passages)
        super().__init__(self.search, "search")

    def search(self, query: str, results: int = 5) -> str:
        """Searches a folder of text files and returns the passages that match best, each with its file and line.

        Args:
            query: the words to look for
            results: how many passages, at most 20
        """
        if not 1 <= results <= MOST_RESULTS:
            raise ToolError(f"argument results: from 1 to {MOST_RESULTS}")
        words = words_of(query[:MOST_QUERY])
        if not words:
            raise ToolError("argument query: there is no word in it")
        scores = self._index.get_scores(words)
        best = (-scores).argsort(kind="stable")[:results]
        found = [self.folder.passages[place] for place in best if scores[place] > 0]
        if not found:
            return f"No passage has any of these words: {' '.join(dict.fromkeys(words))}"
        return "\n\n".join(f"{passage.path}:{passage.line}\n{passage.text}" for passage in found)


def _index(passages: list[Passage]):
    try:
        import bm25s
    except ImportError:
        raise ValueError(f"search needs the package bm25s: {how_to_install('tools')}") from None
    index = bm25s.BM25()
    index.index([words_of(f"{passage.path}\n{passage.text}") for passage in passages], show_progress=False)
    return index
