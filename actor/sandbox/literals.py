"""Python values as one line of JSON and back: data, and nothing that can run.

null, true, false, numbers, strings and lists are themselves; everything else is
an object with one member that says what it is.  Both sides of a judged call use
this file; the judge's side believes nothing: what it decodes are instances of
the built-in types themselves, so that no method of a stranger ever runs there.

Only C-level parts of json are used: importing all of it takes as long as
starting the interpreter.
"""

import builtins

from _json import encode_basestring_ascii as quote
from _json import make_scanner

DEPTH_MAX = 100
ITEMS_MAX = 100_000  # of an iterator that is not known to end
LINE_MAX = 4 << 20


class NotData(Exception):
    """A value that has no text here."""


class _Context:
    strict = True
    object_hook = None
    object_pairs_hook = None
    memo = None
    parse_int = int
    parse_float = float

    @staticmethod
    def parse_constant(name):
        raise ValueError("no such number: " + name)


_scan = make_scanner(_Context())


def parse(text):
    """Plain JSON."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if text[end:].strip():
        raise ValueError("text after the value")
    return value


def _sequence(tag, items, other, depth):
    body = ",".join([encode(item, other, depth) for item in items])
    return '{"%s":[%s]}' % (tag, body) if tag else "[%s]" % body


def _pairs(value, other, depth):
    body = ",".join(
        "[%s,%s]" % (encode(k, other, depth), encode(v, other, depth)) for k, v in value.items()
    )
    return '{"d":[%s]}' % body


def _take(iterator):
    items = []
    for item in iterator:
        items.append(item)
        if len(items) > ITEMS_MAX:
            raise NotData("an iterator of more than %d items" % ITEMS_MAX)
    return items


def _number(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        value = int(value)
        return int.__repr__(value) if -(1 << 63) < value < 1 << 63 else '{"i":"%x"}' % value
    text = float.__repr__(value)
    return text if text[-1] not in "fn" else '{"f":"%s"}' % text  # inf, nan


# By the name of their type, so that modules nobody uses are not imported.
_BY_NAME = {
    "collections.deque": lambda v, other, depth: _sequence("q", list(v), other, depth),
    "decimal.Decimal": lambda v, other, depth: '{"D":%s}' % quote(str(v)),
    "fractions.Fraction": lambda v, other, depth: _sequence(
        "F", (v.numerator, v.denominator), other, depth
    ),
}


def encode(value, other=None, depth=0):
    """`other` makes the text of what is not data; without it that is NotData."""
    if depth > DEPTH_MAX:
        raise NotData("nested more than %d deep" % DEPTH_MAX)
    depth += 1
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, str):
        return quote(str(value))
    if isinstance(value, list):
        return _sequence("", value, other, depth)
    if isinstance(value, tuple):
        return _sequence("t", value, other, depth)
    if isinstance(value, dict):
        return _pairs(value, other, depth)
    if isinstance(value, (set, type({}.keys()))):
        return _sequence("s", value, other, depth)
    if isinstance(value, frozenset):
        return _sequence("z", value, other, depth)
    if isinstance(value, (bytes, bytearray)):
        return '{"%s":"%s"}' % ("b" if isinstance(value, bytes) else "B", value.hex())
    if isinstance(value, complex):
        return _sequence("c", (value.real, value.imag), other, depth)
    if isinstance(value, range):
        return _sequence("r", (value.start, value.stop, value.step), other, depth)
    kind = type(value)
    by_name = _BY_NAME.get("%s.%s" % (kind.__module__, kind.__qualname__))
    if by_name is not None:
        return by_name(value, other, depth)
    if hasattr(kind, "__next__") or kind in (type({}.values()), type({}.items())):
        return _sequence("n", _take(value), other, depth)
    if kind is type and getattr(builtins, value.__name__, None) is value:
        return '{"T":%s}' % quote(value.__name__)
    if other is not None:
        return other(value)
    raise NotData("a value of type " + kind.__name__)


def _iterator(items):
    if len(items) > ITEMS_MAX:
        raise ValueError("too many items")
    return iter(items)


def _deque(items):
    import collections

    return collections.deque(items)


def _decimal(text):
    import decimal

    return decimal.Decimal(text)


def _fraction(items):
    import fractions

    return fractions.Fraction(*items)


_OF_LIST = {
    "t": tuple,
    "s": set,
    "z": frozenset,
    "n": _iterator,
    "q": _deque,
    "F": _fraction,
    "r": lambda items: range(*items),
    "c": lambda items: complex(*items),
    "d": lambda items: {key: value for key, value in items},
}
def _type(name):
    value = getattr(builtins, name)
    if not isinstance(value, type):
        raise ValueError("not a type")
    return value


_OF_TEXT = {
    "T": _type,
    "i": lambda text: int(text, 16),
    "f": float,
    "b": bytes.fromhex,
    "B": bytearray.fromhex,
    "D": _decimal,
}


def decode(value, other=None, depth=0):
    """From parsed JSON; ValueError, TypeError and the like for what encode never writes."""
    if depth > DEPTH_MAX:
        raise ValueError("nested too deep")
    if isinstance(value, list):
        return [decode(item, other, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, body),) = value.items()
    if tag in _OF_LIST:
        return _OF_LIST[tag](decode(body, other, depth))
    if tag in _OF_TEXT:
        return _OF_TEXT[tag](body)
    if tag == "o" and other is not None:
        return other(body)
    raise ValueError("an unknown kind of value")
