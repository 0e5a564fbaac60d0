"""The system calls that a program in the sandbox may make: computing, memory and its own files.

A filter in classic BPF, installed with ``prctl`` (seccomp(2)). Calls that are not listed fail with
EPERM: sockets, new processes, other processes, mounts, namespaces, permissions, kernel modules.

Calls that could reach another process or keep state outside are allowed with arguments of their own
alone, `CHECKED`: an ``fcntl`` that sets an owner or a signal lets a program signal any process of
its user, and opening a file for reading with ``O_TRUNC`` empties it without landlock's knowledge
before Linux 6.2, as ``truncate`` does. Locks are refused: other processes may wait for them.

The filter finds the number of a call by binary search. A filter is installed for every program, and
the kernel then evaluates it for every number, so a linear search would cost as much as a fork.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_WHOLE = 0xFFFFFFFF

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machine -> its AUDIT_ARCH number in the kernel."""

# fmt: off
ALLOWED: dict[str, tuple[int, ...]] = {
    "x86_64": (
        0, 1, 19, 20, 17, 18, 3,  # read write readv writev pread64 pwrite64 close
        5, 4, 6, 262, 332, 8,  # fstat stat lstat newfstatat statx lseek
        9, 10, 11, 25, 28, 12,  # mmap mprotect munmap mremap madvise brk
        13, 14, 15, 131,  # rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
        21, 269, 439,  # access faccessat faccessat2
        22, 293, 32, 33, 292, 72,  # pipe pipe2 dup dup2 dup3 fcntl
        23, 270, 7, 271,  # select pselect6 poll ppoll
        35, 230, 228, 229, 96, 201, 100,  # sleeping and clocks
        39, 186, 110, 102, 107, 104, 108, 118, 120, 111, 121, 124, 115,  # getpid and the like
        98, 97, 24, 204,  # getrusage getrlimit sched_yield sched_getaffinity
        202, 273, 274, 334, 324, 218, 158,  # futex, robust lists, rseq, membarrier, arch_prctl
        60, 231, 318, 63, 99,  # exit exit_group getrandom uname sysinfo
        2, 257, 87, 263, 83, 258, 84, 82, 264, 316,  # open, unlink, mkdir, rmdir, rename
        77, 74, 75, 78, 217, 79, 80, 81, 89, 267, 95,  # ftruncate fsync … readlink umask
        219, 38, 36, 37, 290,  # restart_syscall, timers, eventfd2
    ),
    "aarch64": (
        63, 64, 65, 66, 67, 68, 57, 80, 79, 291, 62, 222, 226, 215, 216, 233, 214,
        134, 135, 139, 132, 48, 439, 59, 23, 24, 25, 72, 73, 101, 115, 113, 114, 169, 153,
        172, 178, 173, 174, 175, 176, 177, 148, 150, 155, 156, 158, 165, 163, 124, 123,
        98, 99, 100, 293, 283, 96, 93, 94, 278, 160, 179, 56, 35, 34, 38, 276,
        46, 82, 83, 61, 17, 49, 50, 78, 166, 128, 103, 102, 19,
    ),
}
"""Machine -> the numbers of the calls that are allowed (the same calls on both)."""

Condition = tuple[int, int, int]
"""An argument, a mask and a value: the argument's low 32 bits under the mask are the value."""
Rule = tuple[tuple[Condition, ...], ...]
"""Alternatives; each is a conjunction of conditions."""

_THREAD, _NEW = 0x00010000, 0x7E020080  # CLONE_THREAD; the flags of new namespaces
_NO_NAMESPACE_BUT_A_THREAD: Rule = (((0, _THREAD | _NEW, _THREAD),),)
_OF_ITSELF: Rule = (((0, _WHOLE, 0),),)
_CLOCK_OF_ITSELF: Rule = (((0, _WHOLE ^ 15, 0),),)  # other numbers are clocks of other processes
_ORDINARY_PIPE: Rule = (((1, _WHOLE ^ 0x94800, 0),),)  # O_CLOEXEC, O_NONBLOCK, O_DIRECT
_NO_HUGE_PAGES: Rule = (((3, 0x40000, 0),),)  # MAP_HUGETLB: a supply that all processes share
_FLAGS_OF_DESCRIPTORS: Rule = (
    *(((1, _WHOLE, command),) for command in (0, 1, 2, 3, 1030)),  # F_DUPFD F_GETFD … F_GETFL
    ((1, _WHOLE, 4), (2, 0x2000, 0)),  # F_SETFL without O_ASYNC
)


def _open(flags: int) -> Rule:
    """O_TRUNC only with O_WRONLY or O_RDWR; ``flags`` is the number of the argument."""
    return (((flags, 0x200, 0),), ((flags, 3, 1),), ((flags, 3, 2),))


CHECKED: dict[str, dict[int, Rule]] = {
    "x86_64": {
        56: _NO_NAMESPACE_BUT_A_THREAD,  # clone
        72: _FLAGS_OF_DESCRIPTORS,  # fcntl
        2: _open(1), 257: _open(2),  # open openat
        9: _NO_HUGE_PAGES,  # mmap
        293: _ORDINARY_PIPE,  # pipe2
        228: _CLOCK_OF_ITSELF, 229: _CLOCK_OF_ITSELF, 230: _CLOCK_OF_ITSELF,  # clock_gettime …
        121: _OF_ITSELF, 124: _OF_ITSELF, 204: _OF_ITSELF, 274: _OF_ITSELF,  # getpgid …
    },
    "aarch64": {
        220: _NO_NAMESPACE_BUT_A_THREAD,
        25: _FLAGS_OF_DESCRIPTORS,
        56: _open(2),
        222: _NO_HUGE_PAGES,
        59: _ORDINARY_PIPE,
        113: _CLOCK_OF_ITSELF, 114: _CLOCK_OF_ITSELF, 115: _CLOCK_OF_ITSELF,
        155: _OF_ITSELF, 156: _OF_ITSELF, 123: _OF_ITSELF, 100: _OF_ITSELF,
    },
}
"""Machine -> the calls that are allowed with these arguments, and otherwise fail with EPERM."""

REFUSED = {
    "x86_64": {435: errno.ENOSYS, 16: errno.ENOTTY},
    "aarch64": {435: errno.ENOSYS, 29: errno.ENOTTY},
}
"""clone3, whose flags a filter can't read (libc falls back to clone), and ioctl ("no terminal")."""
# fmt: on


def build(machine: str | None = None) -> bytes:
    """Return the filter's instructions; raise OSError if this machine's calls are not known."""
    machine = machine or platform.machine()
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no list of system calls for {machine}")
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, 0x40000000),  # the x32 numbering of the same calls on x86-64
        (_RETURN, 0, 0, _KILL),
    ]
    code += _search(_spans(machine))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


_Action = int | Rule
_Instruction = tuple[int, int, int, int]


def _spans(machine: str) -> list[tuple[int, _Action]]:
    """Return (first number, action) of each run of call numbers with the same action."""
    actions: dict[int, _Action] = dict.fromkeys(ALLOWED[machine], _ALLOW)
    actions |= {number: _ERRNO | code for number, code in REFUSED[machine].items()}
    actions |= CHECKED[machine]
    other = _ERRNO | errno.EPERM
    spans: list[tuple[int, _Action]] = []
    for number in range(max(actions) + 2):
        action = actions.get(number, other)
        if not spans or spans[-1][1] != action:
            spans.append((number, action))
    return spans


def _search(spans: list[tuple[int, _Action]]) -> list[_Instruction]:
    """Return the instructions of a binary search for the span of the loaded number."""
    if len(spans) > 1:
        middle = len(spans) // 2
        below, above = _search(spans[:middle]), _search(spans[middle:])
        return [(_AT_LEAST, len(below), 0, spans[middle][0]), *below, *above]
    action = spans[0][1]
    return [(_RETURN, 0, 0, action)] if isinstance(action, int) else _test(action)


def _test(rule: Rule) -> list[_Instruction]:
    """Return the instructions that allow a call if one of the alternatives holds."""
    code: list[_Instruction] = []
    for conditions in rule:
        tests: list[_Instruction] = []
        for place, (argument, mask, value) in enumerate(reversed(conditions)):
            tests[:0] = [
                (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
                (_AND, 0, 0, mask),
                (_EQUAL, 0, 3 * place + 1, value),  # else skip the rest of this alternative
            ]
        code += [*tests, (_RETURN, 0, 0, _ALLOW)]
    return [*code, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


class Filter:
    """The filter, ready to be installed; built once, before the confined processes are forked.

    Raises:
        OSError: this machine's system calls are not known.
    """

    def __init__(self) -> None:
        class Program(ctypes.Structure):
            _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

        instructions = build()
        self._buffer = ctypes.create_string_buffer(instructions, len(instructions))
        self._program = Program(len(instructions) // 8, ctypes.addressof(self._buffer))
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl

    def install(self) -> None:
        """Apply the filter permanently to this process; ``PR_SET_NO_NEW_PRIVS`` must be set.

        Raises:
            OSError: the kernel rejects the filter.
        """
        program = ctypes.byref(self._program)
        if self._prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
