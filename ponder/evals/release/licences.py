"""Identifiers of licences as the Hugging Face hub has them, which are SPDX's in small letters, and some of its own."""

import difflib

# huggingface.co/docs/hub/repositories-licenses. `unknown` states nothing, and `other` needs a name and a link beside it, which
# a README.md of one's own can give.
# fmt: off
LICENCES = frozenset({
    "afl-3.0", "agpl-3.0", "apache-2.0", "apple-amlr", "apple-ascl", "artistic-2.0", "bigcode-openrail-m",
    "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "creativeml-openrail-m",
    "deepfloyd-if-license", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2",
    "fair-noncommercial-research-license", "gemma", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "grok2-community",
    "h-research", "intel-research", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "llama2", "llama3",
    "llama3.1", "llama3.2", "llama3.3", "llama4", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl",
    "odc-by", "ofl-1.1", "openmdw-1.0", "openrail", "openrail++", "osl-3.0", "pddl", "postgresql", "unlicense",
    "wtfpl", "zlib",
})
# fmt: on


def licence_of(given: str) -> str:
    """As the hub writes it.

    Raises:
        ValueError: it is none of the hub's, with what may be meant.
    """
    name = given.strip().lower().removesuffix("-only").removesuffix("-or-later")
    if name in LICENCES:
        return name
    near = difflib.get_close_matches(name, sorted(LICENCES), n=3)
    meant = f"did you mean {', '.join(near)}?" if near else "such as apache-2.0, mit or cc-by-4.0"
    return _refuse(given, meant)


def _refuse(given: str, meant: str) -> str:
    raise ValueError(
        f"{given!r} is no licence that the hub knows ({meant}); for one of your own write a README.md into the checkpoint with "
        "license: other, license_name and license_link"
    )
