"""Cuts a stream of bytes at its delimiters; bounded, whatever comes."""


class Splitter:
    """Frames or lines between delimiters. One longer than `most_bytes` is thrown away whole, and counted."""

    def __init__(self, delimiter: bytes, most_bytes: int) -> None:
        self._delimiter = delimiter
        self._most_bytes = most_bytes
        self._rest = b""
        self._is_skipping = False
        self.too_long = 0

    def reset(self) -> None:
        """What has come in part is forgotten."""
        self._rest, self._is_skipping = b"", False

    def feed(self, data: bytes) -> list[bytes]:
        """The parts that `data` ends, without their delimiters, the empty ones left out."""
        *parts, rest = (self._rest + data).split(self._delimiter)
        if self._is_skipping and parts:
            del parts[0]
            self._is_skipping = False
        whole = [part for part in parts if len(part) <= self._most_bytes]
        self.too_long += len(parts) - len(whole)
        if len(rest) > self._most_bytes:
            self.too_long += not self._is_skipping
            self._is_skipping, rest = True, b""
        self._rest = rest
        return [part for part in whole if part]
