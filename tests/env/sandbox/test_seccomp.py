"""The filter of system calls, worked through instruction by instruction as the kernel does."""

import errno
import struct

import pytest

from selfcorrect_env.sandbox import seccomp

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
THREAD = 0x00010000


def returned(filter_code: bytes, machine: int, number: int, first_argument: int = 0) -> int:
    """Return what the filter says of a call."""
    return run(list(struct.iter_unpack("HBBI", filter_code)), machine, number, first_argument)


def run(code: list, machine: int, number: int, first_argument: int = 0) -> int:
    """Interpret the five instructions of classic BPF that the filter is made of."""
    fields = {0: number, 4: machine, 16: first_argument}
    loaded = at = 0
    while True:
        operation, if_so, if_not, operand = code[at]
        at += 1
        if operation == 0x20:  # load a word
            loaded = fields[operand]
        elif operation == 0x06:  # return
            return operand
        else:
            holds = {0x15: loaded == operand, 0x35: loaded >= operand, 0x45: loaded & operand}
            at += if_so if holds[operation] else if_not


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_each_call_fares_as_the_lists_say(machine: str) -> None:
    code, here = seccomp.build(machine), seccomp.ARCHITECTURES[machine]
    for number in range(1200):
        if number == seccomp.CLONE[machine]:
            continue
        if number in seccomp.ALLOWED[machine]:
            wanted = ALLOW
        else:
            wanted = ERRNO | seccomp.REFUSED[machine].get(number, errno.EPERM)
        assert returned(code, here, number) == wanted, number


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_clone_starts_threads_alone(machine: str) -> None:
    code, here = seccomp.build(machine), seccomp.ARCHITECTURES[machine]
    assert returned(code, here, seccomp.CLONE[machine], THREAD | 0x100) == ALLOW
    assert returned(code, here, seccomp.CLONE[machine], 17) == ERRNO | errno.EPERM


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
    assert max(steps) <= 16


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(OSError, match="m68k"):
        seccomp.build("m68k")
