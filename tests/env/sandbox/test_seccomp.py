"""The filter of system calls, worked through instruction by instruction as the kernel does."""

import errno
import struct

import pytest

from selfcorrect_env.sandbox import seccomp

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
THREAD = 0x00010000
REFUSE = ERRNO | errno.EPERM


def returned(filter_code: bytes, machine: int, number: int, *arguments: int) -> int:
    """Return what the filter says of a call."""
    return run(list(struct.iter_unpack("HBBI", filter_code)), machine, number, *arguments)


def run(code: list, machine: int, number: int, *arguments: int) -> int:
    """Interpret the five instructions of classic BPF that the filter is made of."""
    fields = {0: number, 4: machine, **{16 + 8 * n: 0 for n in range(6)}}
    fields |= {16 + 8 * n: value & 0xFFFFFFFF for n, value in enumerate(arguments)}
    loaded = at = 0
    while True:
        operation, if_so, if_not, operand = code[at]
        at += 1
        if operation == 0x20:  # load a word
            loaded = fields[operand]
        elif operation == 0x54:  # and
            loaded &= operand
        elif operation == 0x06:  # return
            return operand
        else:
            holds = {0x15: loaded == operand, 0x35: loaded >= operand}
            at += if_so if holds[operation] else if_not


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_each_call_fares_as_the_lists_say(machine: str) -> None:
    code, here = seccomp.build(machine), seccomp.ARCHITECTURES[machine]
    for number in range(1200):
        if number in seccomp.CHECKED[machine]:
            continue
        if number in seccomp.ALLOWED[machine]:
            wanted = ALLOW
        else:
            wanted = ERRNO | seccomp.REFUSED[machine].get(number, errno.EPERM)
        assert returned(code, here, number) == wanted, number


CALLS = {
    "x86_64": {"clone": 56, "fcntl": 72, "openat": 257, "mmap": 9, "clock_gettime": 228},
    "aarch64": {"clone": 220, "fcntl": 25, "openat": 56, "mmap": 222, "clock_gettime": 113},
}
ARGUMENTS = [
    ("clone", (THREAD | 0x100,), True),
    ("clone", (17,), False),  # a new process
    ("clone", (THREAD | 0x10000000,), False),  # a new user namespace
    *(("fcntl", (0, command), command in (0, 1, 2, 3, 4, 1030)) for command in range(1050)),
    ("fcntl", (0, 4, 0x800), True),  # F_SETFL with O_NONBLOCK
    ("fcntl", (0, 4, 0x2000), False),  # with O_ASYNC
    ("fcntl", (0, 4, 0x2800), False),
    ("openat", (0, 0, 0), True),
    ("openat", (0, 0, 0x200), False),  # O_RDONLY | O_TRUNC
    ("openat", (0, 0, 0x241), True),
    ("openat", (0, 0, 0x242), True),
    ("openat", (0, 0, 0x203), False),
    ("mmap", (0, 0, 0, 0x22), True),
    ("mmap", (0, 0, 0, 0x40022), False),  # MAP_HUGETLB
    *(("clock_gettime", (clock,), True) for clock in range(12)),
    *(("clock_gettime", (~process << 3 | 2,), False) for process in (1, 2, 77, 4194303)),
]


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_arguments_decide(machine: str) -> None:
    code, here = seccomp.build(machine), seccomp.ARCHITECTURES[machine]
    for name, arguments, allowed in ARGUMENTS:
        wanted = ALLOW if allowed else REFUSE
        found = returned(code, here, CALLS[machine][name], *arguments)
        assert found == wanted, (name, arguments)


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_jumps_stay_within_the_filter(machine: str) -> None:
    code = list(struct.iter_unpack("HBBI", seccomp.build(machine)))
    for place, (_, if_so, if_not, _) in enumerate(code):
        assert place + 1 + max(if_so, if_not) < len(code) + (code[place][0] == 0x06)


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_another_architecture_or_numbering_is_the_end(machine: str) -> None:
    code, here = seccomp.build(machine), seccomp.ARCHITECTURES[machine]
    assert returned(code, 0x40000003, 0) == KILL  # i386
    assert returned(code, here, 0x40000000) == KILL  # x32
    assert returned(code, here, 0xFFFFFFFF) == KILL
    assert returned(code, here, 0x3FFFFFFF) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_the_way_through_is_short(machine: str) -> None:
    """It is gone for every number each time a program starts."""
    steps: list[int] = []

    class Counted(list):
        def __getitem__(self, place):
            steps[-1] += 1
            return super().__getitem__(place)

    code = Counted(struct.iter_unpack("HBBI", seccomp.build(machine)))
    for number in range(500):
        steps.append(0)
        run(code, seccomp.ARCHITECTURES[machine], number)
    assert max(steps) <= 32


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(OSError, match="m68k"):
        seccomp.build("m68k")
