"""YAML as recipes are written in: plain data, and no key twice in a mapping, since all but the last would be lost in silence."""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if (name := (key.tag, key.value)) in first:
                    raise ValueError(
                        f"line {line}: the key {key.value!r} stands twice in one mapping, first in line {first[name]}; "
                        "keep one of them"
                    )
                first[name] = line
        return node


def read_yaml(text: str) -> Any:
    """
    Raises:
        ValueError: it is not valid YAML, or a key stands twice in a mapping; in one line that says where.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())}") from None
