"""The sample shop: a workspace of made-up campaigns and events, the same for the same seed and day.

Nothing here knows the server; the documents and events go through the public API like anybody else's.
"""

from campanile.demo.world import Demo, build

__all__ = ["Demo", "build"]
