"""Write the pages that are made from the code: docs/metrics.md and docs/recipe.md. `make docs` runs it."""

from pathlib import Path

from ponder.recipe import reference
from ponder.runs import meanings

PAGES = {"metrics.md": meanings.page, "recipe.md": reference.page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(__file__).parent / name).write_text(page(), encoding="utf-8")
