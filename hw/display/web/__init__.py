"""The live picture as a web page: for the demonstration and for engineers."""

from hw.display.web.display import WebDisplay

__all__ = ["WebDisplay"]
