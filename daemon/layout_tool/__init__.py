"""`cathlink layout`: grab a frame of the source, draw on it in a browser, save the layout."""

from daemon.layout_tool.command import run_layout_tool

__all__ = ["run_layout_tool"]
