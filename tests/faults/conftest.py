"""The live tests' reactor in a process of its own."""

from tests.live.conftest import root, start

__all__ = ["root", "start"]
