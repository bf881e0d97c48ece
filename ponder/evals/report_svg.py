"""What the pictures of an evaluation share: colours for light and dark, and several pictures in one file."""

import re
from collections.abc import Sequence

STYLE = """
.pc{--pc-paper:#fff;--pc-ink:#1d2733;--pc-muted:#66727f;--pc-rule:#e5e9ed;--pc-0:#14796d;--pc-1:#4f74a3;--pc-2:#ad5b28;
--pc-3:#78539a;--pc-4:#8a7a2e;--pc-5:#66727f;font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"DejaVu Sans",sans-serif}
@media screen and (prefers-color-scheme:dark){.pc{--pc-paper:#12171d;--pc-ink:#e4e9ee;--pc-muted:#97a3af;
--pc-rule:#2a323b;--pc-0:#4fc3b3;--pc-1:#8fb1dc;--pc-2:#e0996a;--pc-3:#bd9bd8;--pc-4:#d3c06a;--pc-5:#97a3af}}
.pc text{fill:var(--pc-ink)}.pc .m{fill:var(--pc-muted)}
"""
_SIZE = re.compile(r'viewBox="0 0 (\d+) (\d+)"')


def stacked(pictures: Sequence[str]) -> str:
    """One SVG with the pictures below each other; each has a viewBox that begins at 0 0."""
    sizes = [(int(found[1]), int(found[2])) for picture in pictures if (found := _SIZE.search(picture))]
    assert pictures and len(sizes) == len(pictures)
    width, parts, y = max(w for w, _ in sizes), [], 0
    for picture, (w, h) in zip(pictures, sizes, strict=True):
        parts.append(picture.replace("<svg ", f'<svg x="0" y="{y}" width="{w}" height="{h}" ', 1))
        y += h
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pc" viewBox="0 0 {width} {y}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="var(--pc-paper)"/>{"".join(parts)}</svg>'
    )
