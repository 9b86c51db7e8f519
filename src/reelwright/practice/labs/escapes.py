"""Ways out of the sandbox that are tried on every run of the tests and the bench, and how each must end."""

from __future__ import annotations

ESCAPES: tuple[tuple[str, str], ...] = (
    ("import os\nos.fork()", "PermissionError"),
    ("import subprocess\nsubprocess.run(['/bin/true'])", "PermissionError"),
    ("import os\nos.posix_spawn('/bin/true', ['true'], {})", "PermissionError"),
    ("import socket\nsocket.create_connection(('127.0.0.1', 80), 1)", "PermissionError"),
    ("import socket\nsocket.socket(socket.AF_UNIX)", "PermissionError"),
    ("open('/proc/self/environ').read()", "FileNotFoundError"),
    ("import os\nos.listdir('/proc')", "FileNotFoundError"),
    ("open('/etc/passwd').read()", "FileNotFoundError"),
    ("import os\nos.listdir('/var')", "FileNotFoundError"),
    ("open('/usr/lib/mine', 'w')", "OSError"),
    ("open('/lab/solution.py', 'w')", "OSError"),
    ("open('/mine', 'w')", "OSError"),
    ("open('/dev/shm/mine', 'w')", "OSError"),
    ("open('/tmp/big', 'wb').write(bytes(8 << 20))", "OSError"),
    ("for n in range(40):\n    open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))", "OSError"),
    ("x = bytearray(1 << 30)", "MemoryError"),
    ("files = [open('/dev/null') for _ in range(200)]", "Too many open files"),
    ("import ctypes\nif ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) != -1: return 'traced'\n"
     "raise OSError('no tracing')", "no tracing"),
    ("import ctypes\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != -1: return 'unshared'\n"
     "raise OSError('no namespace')", "no namespace"),
    ("import ctypes\nctypes.CDLL(None).syscall(41 | 0x40000000, 2, 1, 0)\nreturn 'foreign call'", "status"),
    ("import reelwright", "ModuleNotFoundError"),
    ("import msgspec", "ModuleNotFoundError"),
)  # fmt: skip
"""The body of a function, and a part of the error that it must meet; whatever answers has escaped."""
