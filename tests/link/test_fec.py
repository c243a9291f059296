"""The code repairs every pattern it promises to repair, and its size follows the loss model."""

import itertools
import random
import threading
from math import comb

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link import fec, fec_kernels
from daemon.link.fec import FecError, encode_repair, recover, recover_payloads, repair_count, repair_symbols

Symbols = npt.NDArray[np.uint8]


def field_product(a: int, b: int) -> int:
    """GF(2^8) by shift and add, as docs/wire-format.md defines it."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11D
        b >>= 1
    return product


def field_inverse(a: int) -> int:
    return next(b for b in range(1, 256) if field_product(a, b) == 1)


def reference_repair(sources: Symbols, number: int) -> list[int]:
    """One repair symbol, byte by byte."""
    symbol = [0] * sources.shape[1]
    for j, source in enumerate(sources.tolist()):
        coefficient = field_product(255 ^ j, field_inverse((255 - number) ^ j))
        symbol = [a ^ field_product(coefficient, b) for a, b in zip(symbol, source, strict=True)]
    return symbol


def random_symbols(count: int, symbol_bytes: int, seed: int) -> Symbols:
    return np.random.default_rng(seed).integers(0, 256, (count, symbol_bytes), dtype=np.uint8)


def check_recovery(sources: Symbols, lost: list[int], numbers: list[int], repairs: Symbols) -> None:
    damaged = sources.copy()
    damaged[lost] = 0xEE
    present = np.ones(len(sources), np.bool_)
    present[lost] = False
    recover(damaged, present, [(number, repairs[number]) for number in numbers])
    assert np.array_equal(damaged, sources)


@pytest.mark.parametrize(("source_count", "count"), [(1, 1), (3, 3), (40, 8), (150, 105)])
def test_repair_symbols_are_those_of_the_reference(source_count: int, count: int) -> None:
    sources = random_symbols(source_count, 5, source_count)
    repairs = encode_repair(sources, count)
    for number in {0, 1, count // 2, count - 1} & set(range(count)):
        assert repairs[number].tolist() == reference_repair(sources, number)


def test_the_first_repair_symbol_is_the_parity() -> None:
    sources = random_symbols(150, 64, 0)
    assert np.array_equal(encode_repair(sources, 1)[0], np.bitwise_xor.reduce(sources))


@pytest.mark.parametrize("source_count", range(1, 6))
def test_every_pattern_of_a_small_block_is_repaired(source_count: int) -> None:
    count = 4
    sources = random_symbols(source_count, 9, source_count)
    repairs = encode_repair(sources, count)
    for kept in itertools.combinations(range(source_count + count), source_count):
        lost = [i for i in range(source_count) if i not in kept]
        check_recovery(sources, lost, [i - source_count for i in kept if i >= source_count], repairs)


@settings(max_examples=60)
@given(st.integers(1, 150), st.integers(1, 105), st.integers(1, 70), st.randoms(use_true_random=False))
def test_any_pattern_of_a_block_is_repaired(
    source_count: int, count: int, symbol_bytes: int, chance: random.Random
) -> None:
    sources = random_symbols(source_count, symbol_bytes, source_count)
    repairs = encode_repair(sources, count)
    lost = chance.sample(range(source_count), chance.randint(0, min(source_count, count)))
    numbers = chance.sample(range(count), chance.randint(len(lost), count))
    check_recovery(sources, lost, numbers, repairs)


PAYLOADS = st.lists(st.binary(max_size=80), min_size=1, max_size=30)


@settings(max_examples=60)
@given(PAYLOADS, st.integers(1, 10), st.randoms(use_true_random=False))
def test_payloads_of_any_size_are_repaired(payloads: list[bytes], count: int, chance: random.Random) -> None:
    symbols = repair_symbols(payloads, count)
    assert {len(symbol) for symbol in symbols} == {2 + max(map(len, payloads))}
    lost = chance.sample(range(len(payloads)), min(len(payloads), count))
    received = [None if i in lost else payload for i, payload in enumerate(payloads)]
    repairs = list(enumerate(symbols))
    chance.shuffle(repairs)
    assert recover_payloads(received, repairs) == payloads


def test_too_few_symbols_change_nothing() -> None:
    sources = random_symbols(5, 8, 0)
    repairs = encode_repair(sources, 2)
    before = sources.copy()
    with pytest.raises(FecError, match="3 symbols missing, 2 repair"):
        recover(sources, np.array([True, False, False, False, True]), list(enumerate(repairs)))
    with pytest.raises(FecError):  # the same symbol twice is one symbol
        recover(sources, np.array([True, False, False, True, True]), [(1, repairs[1]), (1, repairs[1])])
    assert np.array_equal(sources, before)


def test_symbols_that_do_not_fit_together_are_rejected() -> None:
    [symbol] = repair_symbols([b"abc", b"de"], 1)
    for payloads, repairs in (
        ([None, b"de"], []),
        ([None, b"longer than abc"], [(0, symbol)]),
        ([None, None], [(0, symbol), (1, symbol + b"x")]),
        ([None, b"de"], [(-1, symbol)]),
        ([None, b"de"], [(105, symbol)]),
        ([None] * 151, list(enumerate([symbol] * 151))),
        ([None, b"de"], [(0, b"\xff" + symbol[1:])]),  # a length of 65283
        ([None, b""], [(0, b"")]),
    ):
        with pytest.raises(FecError):
            recover_payloads(payloads, repairs)


@pytest.mark.parametrize(("source_count", "count"), [(151, 1), (1, 106)])
def test_larger_blocks_are_rejected(source_count: int, count: int) -> None:
    with pytest.raises(FecError, match="at most 150 and 105"):
        encode_repair(np.zeros((source_count, 4), np.uint8), count)


def test_kernels_are_compiled_once_whatever_the_array_looks_like() -> None:
    fec.warm()
    sources = random_symbols(6, 16, 0)
    read_only = sources.copy()
    read_only.flags.writeable = False
    expected = encode_repair(sources, 3)
    for alike in (read_only, np.asfortranarray(sources), np.repeat(sources, 2, axis=0)[::2]):
        assert np.array_equal(encode_repair(alike, 3), expected)
    damaged = np.asfortranarray(sources)
    damaged[2:5] = 0
    recover(damaged, np.array([True, True, False, False, False, True]), [(i, row) for i, row in enumerate(expected)])
    assert np.array_equal(damaged, sources)
    assert len(fec_kernels.multiply.signatures) == len(fec_kernels.inverse.signatures) == 1


def test_while_kernels_load_beside_the_work_nothing_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, is_done = threading.Event(), threading.Event()
    monkeypatch.setattr(fec, "warm", lambda: may_end.wait(10))
    fec.warm_beside(then=is_done.set)
    assert repair_count(20, 0.05, 1e-3) == 0
    assert repair_symbols([b"payload"] * 20, 0) == []
    may_end.set()
    assert is_done.wait(10)
    assert repair_count(20, 0.05, 1e-3) > 0


def binomial_excess(packets: int, most: int, loss_rate: float) -> float:
    """P[more than `most` of `packets` are lost], independently."""
    return sum(comb(packets, i) * loss_rate**i * (1 - loss_rate) ** (packets - i) for i in range(most + 1, packets + 1))


@pytest.mark.parametrize("loss_rate", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("target", [2e-3, 1e-4])
@pytest.mark.parametrize("source_count", [22, 40, 150])
def test_independent_losses_need_what_the_binomial_says(source_count: int, target: float, loss_rate: float) -> None:
    cap = source_count * 3 // 10
    needed = next(k for k in range(1, 99) if binomial_excess(source_count + k, k, loss_rate) < target)
    assert repair_count(source_count, loss_rate, target) == min(needed, cap)


def gilbert_excess(packets: int, most: int, loss_rate: float, burst_length: float) -> float:
    """The same with bursts, by adding up every pattern."""
    leave = 1 / burst_length
    enter = leave * loss_rate / (1 - loss_rate)
    steps = {(False, False): 1 - enter, (False, True): enter, (True, False): leave, (True, True): 1 - leave}
    total = 0.0
    for pattern in itertools.product((False, True), repeat=packets):
        if sum(pattern) > most:
            probability = loss_rate if pattern[0] else 1 - loss_rate
            for step in itertools.pairwise(pattern):
                probability *= steps[step]
            total += probability
    return total


@pytest.mark.parametrize("burst_length", [1.25, 2.0, 3.0])
@pytest.mark.parametrize("target", [3e-2, 1e-2, 3e-3])
def test_bursts_need_what_the_chain_says(target: float, burst_length: float) -> None:
    needed = next((k for k in (1, 2, 3) if gilbert_excess(10 + k, k, 0.01, burst_length) < target), 3)
    assert repair_count(10, 0.01, target, burst_length) == needed


def test_the_count_stays_within_its_limits() -> None:
    assert repair_count(150, 0.0, 1e-4) == 1
    assert repair_count(150, 1.0, 1e-4) == 45
    assert repair_count(1, 0.5, 1e-4, 1000.0) == 1
    assert repair_count(150, -1.0, 1e-4, 0.0) == 1


def test_more_loss_and_longer_bursts_never_need_less() -> None:
    rates = [repair_count(60, rate / 1000, 1e-3) for rate in range(0, 200, 3)]
    bursts = [repair_count(150, 0.01, 1e-3, 1 + length / 8) for length in range(20)]
    assert rates == sorted(rates)
    assert bursts == sorted(bursts)
    assert rates[0] < rates[-1]
    assert bursts[0] < bursts[-1]
