"""One access unit being put together again from source packets, retransmissions and repair symbols. Pure."""

from daemon.link.fec import recover_payloads
from daemon.link.packetize import depacketize
from daemon.link.rtp import FrameExtension


class _Block:
    """`n` source symbols, of which any n symbols of the block restore all."""

    __slots__ = ("count", "first_sequence", "repairs", "sources")

    def __init__(self, count: int) -> None:
        self.count = count
        self.sources: dict[int, bytes] = {}
        self.repairs: dict[int, bytes] = {}
        self.first_sequence: int | None = None

    @property
    def deficit(self) -> int:
        return max(0, self.count - len(self.sources) - len(self.repairs))

    def payloads(self) -> list[bytes]:
        if len(self.sources) == self.count:
            return [self.sources[index] for index in range(self.count)]
        missing = self.count - len(self.sources)
        repairs = sorted(self.repairs.items())[:missing]
        return recover_payloads([self.sources.get(index) for index in range(self.count)], repairs)


class Assembly:
    """`add` packets until `is_complete`, then `access_unit`. A packet that contradicts earlier ones is not taken."""

    def __init__(self, frame: FrameExtension, capture_ns: int, now_ns: int) -> None:
        self.frame_id = frame.frame_id
        self.is_idr = frame.is_idr
        self.capture_ns = capture_ns
        self.known_since_ns = now_ns
        self.last_arrival_ns = now_ns
        self.tail_ns: int | None = None  # when no more of the first transmission is to be expected
        self.next_nack_ns: int | None = None
        self.packets = 0
        self._blocks: list[_Block | None] = [None] * frame.block_count
        self._open_blocks = frame.block_count

    def add(self, frame: FrameExtension, payload: bytes, sequence: int | None, now_ns: int) -> bool:
        """`sequence`: unwrapped number of a source packet, None for a repair symbol. False: not taken."""
        if frame.block_count != len(self._blocks) or frame.is_idr != self.is_idr:
            return False
        block = self._blocks[frame.block]
        if block is None:
            block = self._blocks[frame.block] = _Block(frame.source_count)
        elif block.count != frame.source_count:
            return False
        self.last_arrival_ns = now_ns
        self.packets += 1
        if frame.block == len(self._blocks) - 1 and frame.index == frame.source_count + frame.repair_count - 1:
            self.tail_ns = self.tail_ns or now_ns
        was_open = block.deficit > 0
        if sequence is not None:
            block.first_sequence = sequence - frame.index
            block.sources.setdefault(frame.index, payload)
        else:
            block.repairs.setdefault(frame.index - frame.source_count, payload)
        if was_open and block.deficit == 0:
            self._open_blocks -= 1
        return True

    @property
    def is_complete(self) -> bool:
        return self._open_blocks == 0

    @property
    def spacing_ns(self) -> int:
        """Mean time between its packets so far."""
        return (self.last_arrival_ns - self.known_since_ns) // max(1, self.packets - 1)

    def follow(self, sequence: int) -> None:
        """Its first source packet has the number `sequence`: so those can be asked for when none of them came."""
        block = self._blocks[0]
        if block is not None and block.first_sequence is None:
            block.first_sequence = sequence

    @property
    def end_sequence(self) -> int | None:
        """One after the last source packet's, when a source packet of the last block has come."""
        block = self._blocks[-1]
        return block.first_sequence + block.count if block and block.first_sequence is not None else None

    def access_unit(self) -> bytes:
        """Annex B. Raises PacketError or FecError when what came does not fit together."""
        return depacketize([payload for block in self._blocks if block for payload in block.payloads()])

    @property
    def was_repaired(self) -> bool:
        return any(block is not None and len(block.sources) < block.count for block in self._blocks)

    def missing(self) -> tuple[list[int], list[range]]:
        """(source packets to ask for: the deficit of each known block; the ranges that known blocks own)."""
        wanted: list[int] = []
        owned: list[range] = []
        for block in self._blocks:
            if block is None or block.first_sequence is None:
                continue
            owned.append(range(block.first_sequence, block.first_sequence + block.count))
            absent = [index for index in range(block.count) if index not in block.sources]
            wanted += [block.first_sequence + index for index in absent[: block.deficit]]
        return wanted, owned
