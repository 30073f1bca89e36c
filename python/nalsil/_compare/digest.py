"""Whether two results are equal, told without sending them: a digest of their structure."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

DEEPEST = 100
"""How many levels of a structure are looked into; below that only types count."""


class Digest:
    """The digest of one result.

    Attributes:
        value: equal for equal results; types count, the order of sets and dicts does not.
        opaque: the types of which only the type was compared.
    """

    def __init__(self, result: Any) -> None:
        self.opaque: set[str] = set()
        self._open: set[int] = set()
        self.value = self._of(result).hex()

    def _of(self, value: Any) -> bytes:
        """Return the digest of a part, whatever its own methods raise."""
        if id(value) in self._open or len(self._open) >= DEEPEST:
            return _hashed("again", _name(type(value)).encode())
        self._open.add(id(value))
        try:
            return self._by_type(value)
        except Exception:
            return self._by_name_only(value)
        finally:
            self._open.discard(id(value))

    def _by_type(self, value: Any) -> bytes:
        kind = type(value)
        if kind in _PLAIN:
            return _hashed(kind.__name__, repr(value).encode())
        if kind is str:
            return _hashed("str", value.encode("utf-8", "surrogatepass"))
        if kind in (bytes, bytearray):
            return _hashed("bytes", value)
        if kind in (list, tuple):
            return _hashed(kind.__name__, *map(self._of, value))
        if kind in (set, frozenset):
            return _hashed(kind.__name__, *sorted(map(self._of, value)))
        if kind is dict:
            return _hashed("dict", *sorted(self._pairs(value.items())))
        if isinstance(value, _NAMED):
            return _hashed("name", f"{value.__module__}.{value.__qualname__}".encode())
        return self._by_fields(value)

    def _by_fields(self, value: Any) -> bytes:
        name = _name(type(value)).encode()
        if dataclasses.is_dataclass(value):
            fields = ((field.name, getattr(value, field.name)) for field in _fields(value))
            return _hashed("dataclass", name, *self._pairs(fields))
        view = _buffer(value)
        if view is not None:
            shape = f"{view.format} {view.shape}".encode()
            return _hashed("buffer", name, shape, view.tobytes())
        return self._by_reduction(value)

    def _by_reduction(self, value: Any) -> bytes:
        """By what pickle would keep of it: how it is made, from what, and its state."""
        reduced = value.__reduce_ex__(4)
        if isinstance(reduced, str):
            return _hashed("global", _name(type(value)).encode(), reduced.encode())
        make, arguments, state, entries, pairs = (*reduced, None, None, None)[:5]
        if _is_bare(value) and not state and arguments == (type(value),):
            return self._by_name_only(value)
        parts = [self._of(make), self._of(arguments), self._of(state)]
        parts += map(self._of, entries or ())
        parts += self._pairs(pairs or ())
        return _hashed("object", *parts)

    def _pairs(self, pairs: Iterable[tuple[Any, Any]]) -> list[bytes]:
        return [self._of(key) + self._of(value) for key, value in pairs]

    def _by_name_only(self, value: Any) -> bytes:
        name = _name(type(value))
        self.opaque.add(name)
        return _hashed("type", name.encode())


_PLAIN = (type(None), bool, int, float, complex, type(...), type(NotImplemented))

_NAMED = (type, types.FunctionType, types.BuiltinFunctionType)

_fields: Callable[[Any], tuple[dataclasses.Field[Any], ...]] = dataclasses.fields


def _hashed(kind: str, *parts: bytes | bytearray) -> bytes:
    digest = blake2b(kind.encode(), digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _buffer(value: Any) -> memoryview | None:
    """A view of the bytes of arrays and their kin; None where they hold pointers or are none."""
    try:
        view = memoryview(value)
    except TypeError:
        return None
    return None if "O" in view.format else view


def _is_bare(value: Any) -> bool:
    """Whether a value equals only itself, as far as its type says."""
    compare: Any = type(value).__eq__
    return compare is object.__eq__


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
