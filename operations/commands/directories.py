"""What is asked about directories on the host."""

from __future__ import annotations

from collections.abc import Sequence

_SHUT = """
id -un
for place; do
    while [ ! -e "$place" ]; do place=$(dirname -- "$place"); done
    if [ -d "$place" ] && { [ ! -w "$place" ] || [ ! -x "$place" ]; }; then echo "$place"; fi
done
"""


def shut(*directories: str) -> Sequence[str]:
    """Prints who asks, and of each directory that they may not make or write in the one that is in the way."""
    return ["sh", "-c", _SHUT, "sh", *directories]
