"""Inference by the host of a Hartbox box: docs/ai.md. Needs Python 3.8 and nothing else; takes and gives NumPy arrays where NumPy is there.

    with connect() as ai:
        model = ai.load('model.onnx')
        print(model.run(x=Tensor.floats([1, 2, 3], (1, 3)))['y'].values())

SPDX-License-Identifier: Apache-2.0
"""
import glob
import os
import struct
from collections import namedtuple

HELLO, LIST, UPLOAD, OPEN, RUN, CLOSE = range(1, 7)
NO_ROOM = 10
HEADER = struct.Struct('<IHHIIII')
PIECE = 8 << 20
ROOM = 1 << 20
ANY = 0xffffffff
# By ONNX's numbers: name, format of struct and array, bytes of an element.
TYPES = {1: ('float32', 'f', 4), 2: ('uint8', 'B', 1), 3: ('int8', 'b', 1), 4: ('uint16', 'H', 2), 5: ('int16', 'h', 2),
         6: ('int32', 'i', 4), 7: ('int64', 'q', 8), 9: ('bool', 'B', 1), 10: ('float16', 'e', 2), 11: ('float64', 'd', 8),
         12: ('uint32', 'I', 4), 13: ('uint64', 'Q', 8)}
NUMBERS = {name: number for number, (name, _, _) in TYPES.items()}

Host = namedtuple('Host', 'version message_bytes model_mebibytes models milliseconds backend')


class AiError(Exception):
    """What the host says against a request; `status` as in docs/ai.md."""

    def __init__(self, message, status=0, needed=0):
        super().__init__(message)
        self.status = status
        self.needed = needed


class Tensor:
    """Elements in the order of C, as bytes, with their type ('float32') and sizes."""

    def __init__(self, type, shape, data=b''):
        if type not in NUMBERS:
            raise AiError('there is no type %r; there are %s' % (type, ', '.join(NUMBERS)))
        self.type, self.shape, self.data = type, tuple(shape), data

    @classmethod
    def of(cls, type, values, shape):
        values = list(values)
        return cls(type, shape, struct.pack('<%d%s' % (len(values), TYPES[NUMBERS[type]][1]), *values))

    @classmethod
    def floats(cls, values, shape):
        return cls.of('float32', values, shape)

    @classmethod
    def from_numpy(cls, value):
        value = value if value.flags.c_contiguous else value.copy()
        return cls(value.dtype.name, value.shape, memoryview(value).cast('B') if value.size else b'')

    def values(self):
        """A flat list of numbers."""
        _, form, size = TYPES[NUMBERS[self.type]]
        return list(struct.unpack('<%d%s' % (len(self.data) // size, form), self.data))

    def numpy(self):
        import numpy
        return numpy.frombuffer(self.data, dtype=self.type).reshape(self.shape)

    def __repr__(self):
        return 'Tensor(%s, %s)' % (self.type, 'x'.join('?' if one == ANY else str(one) for one in self.shape))


def _padding(length):
    return bytes(-length % 8)


def _pack(name, tensor):
    name = name.encode()
    head = struct.pack('<HBBI', len(name), NUMBERS[tensor.type], len(tensor.shape), len(tensor.data))
    head += struct.pack('<%dI' % len(tensor.shape), *tensor.shape) + name
    return [head + _padding(len(head)), tensor.data, _padding(len(tensor.data))]


def _unpack(body, at):
    name_bytes, number, rank, length = struct.unpack_from('<HBBI', body, at)
    shape = struct.unpack_from('<%dI' % rank, body, at + 8)
    name = bytes(body[at + 8 + 4 * rank:at + 8 + 4 * rank + name_bytes]).decode()
    at += 8 + 4 * rank + name_bytes
    at += -at % 8
    data = bytes(body[at:at + length])
    kind = TYPES[number][0] if number in TYPES else None
    return name, Tensor(kind, shape, data) if kind else None, at + length + -length % 8


class Model:
    """An open model. `inputs` and `outputs`: its tensors without data, by name; a size of ANY is any."""

    def __init__(self, ai, handle, body):
        self._ai, self.handle = ai, handle
        self.inputs, self.outputs = {}, {}
        inputs, outputs = struct.unpack_from('<HH', body)
        at = 8
        for number in range(inputs + outputs):
            name, tensor, at = _unpack(body, at)
            (self.inputs if number < inputs else self.outputs)[name] = tensor

    def run(self, feeds=None, outputs=(), **more):
        """Run it; inputs by name, as Tensor or NumPy arrays. Gives the outputs, or those named, by name: NumPy arrays if an input was one."""
        feeds = dict(feeds or {}, **more)
        arrays = any(not isinstance(one, Tensor) for one in feeds.values())
        parts = [struct.pack('<HHI', len(feeds), len(outputs), 0)]
        for name, value in feeds.items():
            parts += _pack(name, value if isinstance(value, Tensor) else Tensor.from_numpy(value))
        for name in outputs:
            parts += _pack(name, Tensor('float32', ()))
        try:
            _, body = self._ai._ask(RUN, self.handle, parts)
        except AiError as error:
            if error.status != NO_ROOM:
                raise
            _, body = self._ai._ask(RUN, self.handle, parts, error.needed)
        count, _, self.microseconds = struct.unpack_from('<HHI', body)
        results, at = {}, 8
        for _ in range(count):
            name, tensor, at = _unpack(body, at)
            results[name] = tensor.numpy() if arrays else tensor
        return results

    def close(self):
        self._ai._ask(CLOSE, self.handle)


class Ai:
    """A connection to the host, for one thread at a time."""

    def __init__(self, file):
        self._file = file
        self._number = (os.getpid() << 12) & 0x7fffffff

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        os.close(self._file)

    def host(self):
        """What the host offers."""
        _, body = self._ask(HELLO, 0, [struct.pack('<I', 1)])
        return Host(*struct.unpack_from('<5I', body), bytes(body[24:]).decode())

    def models(self):
        """Models of the host: bytes by name."""
        _, body = self._ask(LIST)
        return {name: int(size) for name, size in (line.split('\t') for line in bytes(body).decode().splitlines())}

    def open(self, name):
        """A model of the host."""
        return Model(self, *self._ask(OPEN, 0, [name.encode()]))

    def load(self, model):
        """A model of this system, by its path or as bytes."""
        if not isinstance(model, (bytes, bytearray, memoryview)):
            with open(model, 'rb') as file:
                model = file.read()
        handle, view = 0, memoryview(model)
        for at in range(0, len(view), PIECE):
            handle, _ = self._ask(UPLOAD, handle, [struct.pack('<Q', at or len(view)), view[at:at + PIECE]])
        return Model(self, *self._ask(OPEN, handle))

    def _ask(self, operation, handle=0, parts=(), room=ROOM):
        self._number += 1
        length = HEADER.size + sum(len(one) for one in parts)
        # All at once: each write wakes the host.
        self._write(b''.join((HEADER.pack(length, operation, 0, self._number, handle, room, 0), *parts)))
        while True:
            length, _, status, number, handle, needed, _ = HEADER.unpack(self._read(HEADER.size))
            body = self._read(length - HEADER.size)
            if number == self._number:
                break
        if status:
            raise AiError(bytes(body).decode(errors='replace'), status, needed)
        return handle, body

    def _write(self, data):
        view = memoryview(data)
        while len(view):
            view = view[os.write(self._file, view):]

    def _read(self, length):
        data, at = bytearray(length), 0
        view = memoryview(data)
        while at < length:
            got = os.readv(self._file, [view[at:]])
            if not got:
                raise AiError('the host has closed the port')
            at += got
        return data


def connect(path=None):
    """The device, or a console port, whichever is there and free; or that file."""
    path = path or os.environ.get('HARTBOX_AI')
    paths = [path] if path else ['/dev/hartbox-ai']
    if not path:
        for name in sorted(glob.glob('/sys/class/virtio-ports/*/name')):
            with open(name) as file:
                if file.read().startswith('org.hartbox.ai.'):
                    paths.append('/dev/' + name.split('/')[-2])
    why = None
    for one in paths:
        try:
            return Ai(os.open(one, os.O_RDWR | getattr(os, 'O_CLOEXEC', 0)))
        except OSError as error:
            if why is None or one != '/dev/hartbox-ai':
                why = error
    if len(paths) == 1 and not path:
        raise AiError('there is neither /dev/hartbox-ai nor a console port org.hartbox.ai.*: start the box with --ai')
    raise why
