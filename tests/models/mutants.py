"""Damaged copies of a .tflite file: by accident, by a bad tool, or by somebody who means harm.

Numbers of fields are those of tensorflow/lite/schema/schema.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from edged.inference.flatbuffer import Table, root

NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
"""Where arithmetic on lengths and indices goes wrong."""

FLOATS = (0.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))

BUILTIN_OPERATORS = 206
TENSOR_TYPES = 20


@dataclass
class Places:
    """Positions in the file, by what stands there."""

    offsets: list[int] = field(default_factory=list)
    vtables: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    codes: list[Mapping[str, int]] = field(default_factory=list)
    opcode_indices: list[int] = field(default_factory=list)
    shapes: list[int] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    buffers: list[int] = field(default_factory=list)
    tensor_indices: list[int] = field(default_factory=list)
    scales: list[int] = field(default_factory=list)
    zero_points: list[int] = field(default_factory=list)
    options: list[int] = field(default_factory=list)
    weights: list[tuple[int, int]] = field(default_factory=list)


def places(data: bytes) -> Places:
    """What stands where in a sound model."""
    found = Places(offsets=[0])
    model = root(data, b"TFL3")
    _table(found, model)
    for code in _each(found, model, 1):
        _table(found, code)
        # The old field has a byte, the new one a whole number; the greater of them counts.
        fields = {format_: code._field(number) for number, format_ in ((0, "B"), (3, "I"))}
        found.codes.append({f: position for f, position in fields.items() if position is not None})
    for buffer in _each(found, model, 4):
        _table(found, buffer)
        start, count = _vector(found, buffer, 0)
        if count:
            found.weights.append((start, count))
    for graph in _each(found, model, 2):
        _table(found, graph)
        found.tensor_indices += [*_items(found, graph, 1, 4), *_items(found, graph, 2, 4)]
        for tensor in _each(found, graph, 0):
            _tensor(found, tensor)
        for operator in _each(found, graph, 3):
            _operator(found, operator)
    return found


def _tensor(found: Places, tensor: Table) -> None:
    _table(found, tensor)
    found.shapes += _items(found, tensor, 0, 4)
    found.types += _present(tensor, 1)
    found.buffers += _present(tensor, 2)
    quantization = tensor.table(4)
    if quantization is not None:
        found.offsets += _present(tensor, 4)
        _table(found, quantization)
        found.scales += _items(found, quantization, 2, 4)
        found.zero_points += _items(found, quantization, 3, 8)


def _operator(found: Places, operator: Table) -> None:
    _table(found, operator)
    found.opcode_indices += _present(operator, 0)
    found.tensor_indices += [*_items(found, operator, 1, 4), *_items(found, operator, 2, 4)]
    found.options += _present(operator, 3)
    options = operator.table(4)
    if options is not None:
        found.offsets += _present(operator, 4)
        _table(found, options)
        for number in range((options._vtable_bytes - 4) // 2):
            found.options += _present(options, number)


def _table(found: Places, table: Table) -> None:
    found.vtables += range(table._vtable, table._vtable + table._vtable_bytes, 2)
    found.offsets.append(table._position)


def _present(table: Table, number: int) -> list[int]:
    position = table._field(number)
    return [] if position is None else [position]


def _vector(found: Places, table: Table, number: int) -> tuple[int, int]:
    start, count = table._vector(number)
    if start:
        found.offsets += _present(table, number)
        found.lengths.append(start - 4)
    return start, count


def _items(found: Places, table: Table, number: int, size_bytes: int) -> list[int]:
    start, count = _vector(found, table, number)
    return list(range(start, start + size_bytes * count, size_bytes))


def _each(found: Places, table: Table, number: int) -> Iterator[Table]:
    found.offsets += _items(found, table, number, 4)
    return table.tables(number)


Mutation = Callable[[bytearray, Places, Random], None]


def flipped_bits(data: bytearray, where: Places, random: Random) -> None:
    """Anywhere: mostly in the weights, as of an SD card that ages."""
    for _ in range(2 ** random.randrange(12)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def flipped_table_bits(data: bytearray, where: Places, random: Random) -> None:
    """Outside of the weights, where every byte means something."""
    weights = sorted(where.weights)
    for _ in range(2 ** random.randrange(6)):
        position = random.randrange(len(data))
        for start, count in weights:
            if start <= position < start + count:
                # To the nearer edge: tables lie in between.
                before = position - start < count // 2
                edge = start - 1 if before else start + count
                position = edge + random.randrange(64) * (-1 if before else 1)
        data[position % len(data)] ^= 1 << random.randrange(8)


def cut(data: bytearray, where: Places, random: Random) -> None:
    """A download that stopped: shorter, or the rest is zeros."""
    keep = random.choice([random.randrange(len(data)), random.randrange(min(len(data), 4096))])
    rest = len(data) - keep
    del data[keep:]
    if random.random() < 0.3:
        data += bytes(rest)


def moved_blocks(data: bytearray, where: Places, random: Random) -> None:
    """Blocks of a file system in the wrong place, or wiped."""
    for _ in range(random.randint(1, 4)):
        size = random.choice([16, 512, 4096, 65536])
        source, target = (random.randrange(max(len(data) - size, 1)) for _ in range(2))
        block = random.choice([bytes(data[source : source + size]), bytes(size), b"\xff" * size])
        data[target : target + len(block)] = block[: len(data) - target]


def wrong_offsets(data: bytearray, where: Places, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        if random.random() < 0.3:
            _put(data, "H", random.choice(where.vtables), random.choice(NUMBERS))
        else:
            position = random.choice(where.offsets)
            (old,) = struct.unpack_from("<I", data, position)
            near = old + random.choice([-64, -4, -1, 1, 2, 4, 64])
            new = random.choice([near, random.randrange(len(data)), random.choice(NUMBERS)])
            _put(data, "I", position, new)


def wrong_lengths(data: bytearray, where: Places, random: Random) -> None:
    position = random.choice(where.lengths)
    (old,) = struct.unpack_from("<I", data, position)
    _put(data, "I", position, random.choice([old + 1, old - 1, old * 2, *NUMBERS]))


def swapped_operators(data: bytearray, where: Places, random: Random) -> None:
    """Another operator does the work: two change places, or one becomes any other."""
    indices = where.opcode_indices
    if random.random() < 0.4 and len(indices) > 1:
        one, other = random.sample(indices, 2)
        data[one : one + 4], data[other : other + 4] = data[other : other + 4], data[one : one + 4]
        return
    if indices and random.random() < 0.3:
        _put(data, "I", random.choice(indices), random.choice([*range(12), *NUMBERS]))
        return
    code = random.randrange(BUILTIN_OPERATORS)
    for format_, position in random.choice(where.codes).items():
        _put(data, format_, position, min(code, 127) if format_ == "B" else code)


def huge_tensors(data: bytearray, where: Places, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        size = random.choice([0, -1, 3, 1 << 10, 1 << 16, 1 << 20, 1 << 30, 2**31 - 1, -(2**31)])
        _put(data, "I", random.choice(where.shapes), size)


def other_types(data: bytearray, where: Places, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        _put(data, "B", random.choice(where.types), random.randrange(TENSOR_TYPES))


def other_tensors(data: bytearray, where: Places, random: Random) -> None:
    """An operator reads or writes a tensor that is not meant for it, or that is not there."""
    highest = len(where.types)
    for _ in range(random.randint(1, 3)):
        new = random.choice([random.randrange(highest), highest, *NUMBERS])
        _put(data, "I", random.choice(where.tensor_indices), new)


def other_buffers(data: bytearray, where: Places, random: Random) -> None:
    """A tensor's data is another's: too short, too long, or none at all."""
    highest = len(where.weights) + 1
    for _ in range(random.randint(1, 3)):
        new = random.choice([random.randrange(highest), random.choice(NUMBERS)])
        _put(data, "I", random.choice(where.buffers), new)


def wrong_quantisation(data: bytearray, where: Places, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        if random.random() < 0.5 and where.zero_points:
            _put(data, "Q", random.choice(where.zero_points), random.choice(NUMBERS))
        elif where.scales:
            struct.pack_into("<f", data, random.choice(where.scales), random.choice(FLOATS))


def wrong_options(data: bytearray, where: Places, random: Random) -> None:
    """Strides, paddings, activations and kinds of options that make no sense."""
    for _ in range(random.randint(1, 4)):
        position = random.choice(where.options)
        _put(data, random.choice("BI"), position, random.choice(NUMBERS))


def _put(data: bytearray, format_: str, position: int, value: int) -> None:
    """As many of the low bits of `value` as the unsigned `format_` has."""
    size = struct.calcsize(format_)
    if position + size <= len(data):
        struct.pack_into("<" + format_, data, position, value & ((1 << 8 * size) - 1))


KINDS: dict[str, Mutation] = {
    "flipped bits": flipped_bits,
    "flipped bits outside of weights": flipped_table_bits,
    "cut short": cut,
    "moved and wiped blocks": moved_blocks,
    "wrong offsets": wrong_offsets,
    "wrong lengths": wrong_lengths,
    "swapped operators": swapped_operators,
    "huge tensors": huge_tensors,
    "other tensor types": other_types,
    "other tensors": other_tensors,
    "other buffers": other_buffers,
    "wrong quantisation": wrong_quantisation,
    "wrong options": wrong_options,
}


def mutants(models: list[bytes], count: int, seed: int) -> Iterator[tuple[str, int, bytes]]:
    """`count` mutants: kind, number of the model, content. The kinds and models take turns.

    The same for the same models and `seed`; each depends on its number alone.
    """
    known = [places(data) for data in models]
    kinds = list(KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        model = number // len(kinds) % len(models)
        data = bytearray(models[model])
        KINDS[kind](data, known[model], Random(f"{seed} {number}"))  # noqa: S311
        yield kind, model, bytes(data)
