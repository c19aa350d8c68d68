"""What a schema is: read from ``pg_catalog``, fingerprinted, compared."""

from operations.catalog.model import Catalog, Difference, diff
from operations.catalog.reading import read, stamp

__all__ = ["Catalog", "Difference", "diff", "read", "stamp"]
