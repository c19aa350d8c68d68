"""``python -P -E -s as_in_image.py CLUSTERS``: the Action as its image starts it, with the cluster prepared there.

In the image the packages are installed, and the cluster lies where it always does.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

    from operations.adapters import kept_clusters

    kept_clusters.PREPARED = Path(sys.argv[1])

    from action.__main__ import main

    sys.exit(main())
