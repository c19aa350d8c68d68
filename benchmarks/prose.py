"""English by chance: each word is one that follows the two before it somewhere in the documentation of Python.

gzip takes about as long over it as over that documentation; over words drawn one by one it takes a quarter longer, and
whole sentences would be found again by a compressor with a large window.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pydoc_data.topics import topics

WORDS_EACH = 12
"""Words of a sentence."""


def sentences(number: int, seed: int) -> list[str]:
    """The same ones for a seed, as long as Python is of the same version."""
    words = _words(seed)
    return [" ".join(islice(words, WORDS_EACH)) for _ in range(number)]


def _words(seed: int) -> Iterator[str]:
    text = " ".join(topics.values()).split()
    followers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for first, second, third in zip(text, text[1:], text[2:], strict=False):
        followers[first, second].append(third)
    chance = random.Random(seed)
    start = first, second = text[0], text[1]
    while True:
        if (first, second) not in followers:
            first, second = start
        first, second = second, chance.choice(followers[first, second])
        yield second
