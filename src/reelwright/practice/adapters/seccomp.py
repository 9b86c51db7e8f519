"""A filter of system calls for code that only computes: no new process, no socket, no tracing, no mount.

A process limit does not bind root, and none of these calls is needed to compute, so the kernel refuses them.
Source: Linux, Documentation/userspace-api/seccomp_filter.rst; the numbers are those of its system call tables.
"""

from __future__ import annotations

import errno
import platform
import struct

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED = {
    "x86_64": {
        "socket": 41, "fork": 57, "vfork": 58, "ptrace": 101, "unshare": 272, "mount": 165, "setns": 308, "bpf": 321,
        "userfaultfd": 323, "io_uring_setup": 425, "memfd_create": 319, "keyctl": 250, "add_key": 248,
        "process_vm_readv": 310, "perf_event_open": 298, "shmget": 29,
    },
    "aarch64": {
        "socket": 198, "ptrace": 117, "unshare": 97, "mount": 40, "setns": 268, "bpf": 280, "userfaultfd": 282,
        "io_uring_setup": 425, "memfd_create": 279, "keyctl": 219, "add_key": 217, "process_vm_readv": 270,
        "perf_event_open": 241, "shmget": 194,
    },
}  # fmt: skip
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_THREAD = 0x10000
_LOAD, _EQUAL, _AT_LEAST, _SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_FOREIGN_ABI = 0x40000000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


def filter_program() -> bytes | None:
    """The filter as bubblewrap reads it; None on a processor whose numbers are not known here."""
    machine = platform.machine()
    if machine not in _ARCHITECTURE:
        return None
    refused = sorted(_REFUSED[machine].values())
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _FOREIGN_ABI),
        (_RETURN, 0, 0, _KILL),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    for number in refused:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    lines += [
        (_EQUAL, 0, 3, _CLONE[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_SET, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
