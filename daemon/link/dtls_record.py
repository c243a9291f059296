"""The frame of DTLS: records in datagrams (RFC 6347 section 4.1). Looks at the 13 bytes of a record's header only."""

from enum import IntEnum
from typing import Final

MAX_DATAGRAM_BYTES: Final = 1200
RECORD_HEADER_BYTES: Final = 13
SEAL_BYTES: Final = 24  # what AES-GCM adds to a record: explicit nonce 8, tag 16 (RFC 5288)
_VERSIONS: Final = (b"\xfe\xff", b"\xfe\xfd")  # DTLS 1.0, which a first ClientHello says, and 1.2


class ContentType(IntEnum):
    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


_CONTENT_TYPES: Final = frozenset(ContentType)


def split_records(data: bytes) -> list[bytes]:
    """The whole records, with their headers, that `data` consists of; none when it is anything else.

    An encrypted record that is too short for its seal is such a thing: it can be nobody's, and OpenSSL before 4 ends
    the association over it.
    """
    records = []
    start = 0
    while start < len(data):
        end = start + RECORD_HEADER_BYTES + int.from_bytes(data[start + 11 : start + 13])
        if end > len(data) or data[start] not in _CONTENT_TYPES or data[start + 1 : start + 3] not in _VERSIONS:
            return []
        record = data[start:end]
        if not is_plaintext(record) and len(record) < RECORD_HEADER_BYTES + SEAL_BYTES:
            return []
        records.append(record)
        start = end
    return records


def is_plaintext(record: bytes) -> bool:
    """Of epoch 0, before the keys: nothing protects its header, so its sequence number may be set anew."""
    return record[3:5] == b"\0\0"


def is_application_data(datagram: bytes) -> bool:
    """Whether `datagram` consists of records of application data and of nothing else."""
    records = split_records(datagram)
    return bool(records) and all(record[0] == ContentType.APPLICATION_DATA for record in records)


def with_sequence(record: bytes, sequence: int) -> bytes:
    return record[:5] + sequence.to_bytes(6) + record[11:]


def pack_datagrams(records: list[bytes]) -> list[bytes]:
    """The records in order, as many in a datagram as MAX_DATAGRAM_BYTES allows; none is longer than that."""
    datagrams: list[bytes] = []
    for record in records:
        if datagrams and len(datagrams[-1]) + len(record) <= MAX_DATAGRAM_BYTES:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams
