"""A device that failed is left alone, longer each time, also when its failure was the process's end."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.quarantine import FORGIVEN_AFTER, RETRY_FACTORS, Quarantine, QuarantineFile, QuarantineRecord

SECOND = 1_000_000_000
RETRY_NS = 10 * SECOND


class Memory:
    def __init__(self) -> None:
        self.record: QuarantineRecord | None = None

    def load(self) -> QuarantineRecord | None:
        return self.record

    def save(self, record: QuarantineRecord) -> None:
        self.record = record


def test_it_is_left_alone_longer_each_time() -> None:
    quarantine, now_ns = Quarantine("qsv", Memory(), RETRY_NS, 0), 0
    for factor in (*RETRY_FACTORS, RETRY_FACTORS[-1]):
        assert quarantine.may_use(now_ns)
        quarantine.begin(now_ns)
        now_ns += SECOND
        assert quarantine.fail("it raised", now_ns) == factor * 10
        assert not quarantine.may_use(now_ns + factor * RETRY_NS - 1)
        now_ns += factor * RETRY_NS


def test_long_service_is_a_new_start() -> None:
    quarantine = Quarantine("qsv", Memory(), RETRY_NS, 0)
    quarantine.begin(0)
    quarantine.fail("it raised", SECOND)
    quarantine.begin(20 * SECOND)
    assert quarantine.fail("it raised", 20 * SECOND + FORGIVEN_AFTER * RETRY_NS + 1) == 10


def test_a_process_that_died_over_it_is_its_failure() -> None:
    store = Memory()
    Quarantine("qsv", store, RETRY_NS, 0).begin(0)
    after = Quarantine("qsv", store, RETRY_NS, SECOND)
    assert "died" in after.cause
    assert not after.may_use(SECOND)
    assert after.may_use(SECOND + RETRY_NS)


def test_given_back_in_good_order_it_is_used_again() -> None:
    store = Memory()
    before = Quarantine("qsv", store, RETRY_NS, 0)
    before.begin(0)
    before.end()
    after = Quarantine("qsv", store, RETRY_NS, SECOND)
    assert after.cause == ""
    assert after.may_use(SECOND)


def test_another_device_starts_afresh() -> None:
    store = Memory()
    Quarantine("qsv", store, RETRY_NS, 0).fail("it raised", 0)
    assert Quarantine("nvenc", store, RETRY_NS, SECOND).may_use(SECOND)


def test_the_file_counts_for_this_boot_alone(tmp_path: Path) -> None:
    path = tmp_path / "sender.encoder.json"
    record = QuarantineRecord("qsv", None, 2, 77, "it raised")
    QuarantineFile(path, "boot 1").save(record)
    loaded = QuarantineFile(path, "boot 1").load()
    assert loaded is not None
    assert (loaded.device, loaded.failures, loaded.until_ns, loaded.cause) == ("qsv", 2, 77, "it raised")
    assert QuarantineFile(path, "boot 2").load() is None
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    QuarantineFile(tmp_path / "missing" / "file.json", "boot").save(QuarantineRecord("qsv"))


@given(st.binary(max_size=200))
def test_what_is_not_a_record_is_none(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        assert QuarantineFile(Path(file.name), "boot").load() is None
