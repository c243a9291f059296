"""Device addresses as people write them in the config: `scheme:rest?key=value&key=value`.

`rest` runs to the first `?` and is taken as it is, without escapes: it is mostly a path. What a scheme means, and which
options it knows, stands in `hw.select`; here is the grammar alone. Every error is one line: the problem, then what is
accepted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hw.errors import DeviceAddressError

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.ASCII)
_NO = frozenset[str]()

SMALLEST_SIDE = 16
LARGEST_SIDE = 8192


@dataclass(frozen=True, slots=True)
class AddressForm:
    """How the addresses of one scheme look: an example for people, and the option keys that are accepted."""

    example: str
    keys: frozenset[str] = _NO
    needs_rest: bool = False


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """A parsed address. The getters check an option's value and raise DeviceAddressError naming its key."""

    text: str
    scheme: str
    rest: str
    options: tuple[tuple[str, str], ...]
    form: AddressForm

    def option(self, key: str) -> str | None:
        """The value as written, or None when the address does not have the option."""
        return dict(self.options).get(key)

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.option(key) or default
        if value not in choices:
            raise self.error(f"{key}={value} is not known", f"accepted: {', '.join(choices)}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        return self.choice(key, "yes" if default else "no", ("yes", "no")) == "yes"

    def number(self, key: str, default: float, *, lowest: float, highest: float) -> float:
        """A decimal number from `lowest` to `highest`."""
        value = self.option(key)
        return default if value is None else self.parse_number(key, value, lowest=lowest, highest=highest)

    def whole_number(self, key: str, default: int, *, lowest: int, highest: int) -> int:
        value = self.option(key)
        return default if value is None else self.parse_whole_number(key, value, lowest=lowest, highest=highest)

    def size(self, key: str) -> tuple[int, int]:
        """(width, height); the option must be there."""
        value = self.option(key)
        if value is None:
            raise self.error(f"{key} is missing", f"for example {self.form.example}")
        return self.parse_size(key, value)

    def parse_number(self, name: str, value: str, *, lowest: float, highest: float) -> float:
        """`value`, a part of this address that is called `name` in an error."""
        if not _NUMBER.fullmatch(value) or not lowest <= float(value) <= highest:
            raise self.error(f"{name} {value!r} is not good", f"a number from {lowest:g} to {highest:g} is accepted")
        return float(value)

    def parse_whole_number(self, name: str, value: str, *, lowest: int, highest: int) -> int:
        if not _WHOLE_NUMBER.fullmatch(value) or not lowest <= int(value) <= highest:
            raise self.error(f"{name} {value!r} is not good", f"a whole number from {lowest} to {highest} is accepted")
        return int(value)

    def parse_size(self, name: str, value: str) -> tuple[int, int]:
        match = _SIZE.fullmatch(value)
        sides = (int(match[1]), int(match[2])) if match else (0, 0)
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
            remedy = f"WIDTHxHEIGHT is accepted, each from {SMALLEST_SIDE} to {LARGEST_SIDE}, for example 1024x1024"
            raise self.error(f"{name} {value!r} is not good", remedy)
        return sides

    def error(self, problem: str, remedy: str) -> DeviceAddressError:
        """The error to raise about a part of this address."""
        return _error(self.text, problem, remedy)


def parse_address(text: str, forms: Mapping[str, AddressForm]) -> DeviceAddress:
    """`text` taken apart by the grammar; `forms` are the schemes that are accepted. Raises DeviceAddressError."""
    scheme, colon, body = text.partition(":")
    examples = ", ".join(form.example for form in forms.values())
    if not colon:
        raise _error(text, "has no scheme", f"accepted: {examples}")
    form = forms.get(scheme)
    if form is None:
        raise _error(text, f"unknown scheme {scheme!r}", f"accepted: {examples}")
    rest, question_mark, query = body.partition("?")
    options = _parse_options(text, query, form) if question_mark else ()
    if form.needs_rest and not rest:
        raise _error(text, f"nothing stands after {scheme}:", f"for example {form.example}")
    if "\0" in rest:
        raise _error(text, "a zero byte cannot be part of it", f"for example {form.example}")
    return DeviceAddress(text, scheme, rest, options, form)


def _parse_options(text: str, query: str, form: AddressForm) -> tuple[tuple[str, str], ...]:
    accepted = f"accepted: {', '.join(sorted(form.keys))}" if form.keys else "this scheme has no options"
    options: dict[str, str] = {}
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if not key or not value:
            raise _error(text, f"{part!r} is not key=value", accepted)
        if key not in form.keys:
            raise _error(text, f"unknown option {key!r}", accepted)
        if key in options:
            raise _error(text, f"{key} is given twice", "give it once")
        options[key] = value
    return tuple(options.items())


def _error(text: str, problem: str, remedy: str) -> DeviceAddressError:
    # repr: an address with a line break in it must not make two lines of one error
    return DeviceAddressError(f"device address {text!r}: {problem}", remedy)
