"""Calls of a program that would reach other processes, files outside, or the next program."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfcorrect_env.sandbox import Job, Sandbox, landlock, missing_for_strong
from selfcorrect_env.sandbox.trial import best_layers

pytestmark = pytest.mark.skipif(
    bool(missing_for_strong()), reason=f"this machine cannot isolate: {missing_for_strong()}"
)
NAMES = ("attempt",)


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(deadline=10, workers=1)
    yield sandbox
    sandbox.close()


def attempts(sandbox: Sandbox, source: str) -> None:
    """Run a program whose ``attempt()`` must be refused with OSError."""
    test = "try:\n    found = attempt()\nexcept OSError:\n    found = 'refused'\n"
    job = Job(source, (f"{test}assert found == 'refused', found",), NAMES)
    outcome = sandbox.run(job)
    assert outcome.right, outcome


FCNTL = "import ctypes, fcntl, os\nr, w = os.pipe()\ndef attempt():\n    return "
OF_DESCRIPTORS = {
    "F_SETOWN to the parent": "fcntl.fcntl(r, 8, os.getppid())",
    "F_SETOWN to the group": "fcntl.fcntl(r, 8, -os.getpgrp())",
    "F_SETOWN to itself": "fcntl.fcntl(r, 8, os.getpid())",
    "F_SETOWN to everything": "fcntl.fcntl(r, 8, -1)",
    "F_GETOWN": "fcntl.fcntl(r, 9)",
    "F_SETSIG": "fcntl.fcntl(r, 10, 9)",
    "F_GETSIG": "fcntl.fcntl(r, 11)",
    "F_SETOWN_EX": "fcntl.fcntl(r, 15, b'\\0' * 8)",
    "F_GETOWN_EX": "fcntl.fcntl(r, 16, b'\\0' * 8)",
    "O_ASYNC": "fcntl.fcntl(r, 4, os.O_NONBLOCK | 0x2000)",
    "O_ASYNC alone": "fcntl.fcntl(r, 4, 0x2000)",
    "a lease": "fcntl.fcntl(os.open(os.__file__, 0), 1024, 0)",
    "news of a folder": "fcntl.fcntl(os.open(os.path.dirname(os.__file__), 0), 1026, 1)",
    "a lock": "fcntl.fcntl(os.open(os.__file__, 0), 6, b'\\0' * 32)",
    "a lock that waits": "fcntl.fcntl(os.open(os.__file__, 0), 7, b'\\0' * 32)",
    "a look at locks": "fcntl.fcntl(os.open(os.__file__, 0), 5, b'\\0' * 32)",
    "a lock of an open file": "fcntl.fcntl(os.open(os.__file__, 0), 37, b'\\0' * 32)",
    "flock": "fcntl.flock(os.open(os.__file__, 0), fcntl.LOCK_EX)",
    "lockf": "fcntl.lockf(os.open(os.__file__, 0), fcntl.LOCK_SH)",
    "a large pipe": "fcntl.fcntl(w, 1031, 1 << 20)",
    "seals": "fcntl.fcntl(r, 1033, 1)",
    "a hint for the disk": "fcntl.fcntl(r, 1036, b'\\0' * 8)",
    "ioctl FIOASYNC": "fcntl.ioctl(r, 0x5452, b'\\1\\0\\0\\0')",
    "ioctl FIOSETOWN": "fcntl.ioctl(r, 0x8901, b'\\1\\0\\0\\0')",
    "ioctl TIOCSTI": "fcntl.ioctl(0, 0x5412, b'x')",
}


@pytest.mark.parametrize("what", OF_DESCRIPTORS)
def test_descriptors_have_no_owner_signal_or_lock(sandbox: Sandbox, what: str) -> None:
    attempts(sandbox, FCNTL + OF_DESCRIPTORS[what])


def test_ordinary_flags_of_descriptors_work(sandbox: Sandbox) -> None:
    source = """
import fcntl, os
def attempt():
    r, w = os.pipe()
    os.set_inheritable(r, True)
    assert os.get_inheritable(r) and fcntl.fcntl(r, fcntl.F_GETFD) == 0
    fcntl.fcntl(r, fcntl.F_SETFL, fcntl.fcntl(r, fcntl.F_GETFL) | os.O_NONBLOCK)
    return os.dup(r) > 0 and fcntl.fcntl(w, fcntl.F_DUPFD_CLOEXEC, 20) >= 20
"""
    assert sandbox.run(Job(source, ("assert attempt()",), NAMES)).right


SYSCALL = """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
def call(x86, arm, *arguments):
    number = x86 if X86 else arm
    if number is None:
        raise OSError("no such call here")
    result = libc.syscall(number, *[ctypes.c_long(it) if isinstance(it, int) else it
                                    for it in arguments])
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return result
def attempt():
    return """
CALLS = {
    "kill": "call(62, 129, os.getppid(), 0)",
    "tkill": "call(200, 130, os.getppid(), 0)",
    "tgkill": "call(234, 131, os.getppid(), os.getppid(), 0)",
    "rt_sigqueueinfo": "call(129, 138, os.getppid(), 0, None)",
    "pidfd_open": "call(434, 434, os.getppid(), 0)",
    "pidfd_getfd": "call(438, 438, 0, 0, 0)",
    "pidfd_send_signal": "call(424, 424, 3, 9, None, 0)",
    "process_vm_readv": "call(310, 270, os.getppid(), None, 0, None, 0, 0)",
    "process_vm_writev": "call(311, 271, os.getppid(), None, 0, None, 0, 0)",
    "process_madvise": "call(440, 440, 3, None, 0, 21, 0)",
    "ptrace": "call(101, 117, 16, os.getppid(), 0, 0)",
    "kcmp": "call(312, 272, os.getpid(), os.getpid(), 0, 0, 0)",
    "prlimit of another": "call(302, 261, os.getppid(), 7, None, None)",
    "setrlimit": "call(160, 164, 7, b'\\xff' * 16)",
    "setpriority": "call(141, 140, 0, 0, 19)",
    "getpriority of another": "call(140, 141, 0, os.getppid())",
    "sched_setaffinity": "call(203, 122, 0, 8, b'\\1' + b'\\0' * 7)",
    "sched_getaffinity of another": "call(204, 123, 1, 8, b'\\0' * 8)",
    "sched_setscheduler": "call(144, 119, os.getppid(), 0, b'\\0' * 8)",
    "getpgid of another": "call(121, 155, 1)",
    "getsid of another": "call(124, 156, 1)",
    "get_robust_list of another": "call(274, 100, 1, b'\\0' * 8, b'\\0' * 8)",
    "the clock of another": "call(228, 113, ~os.getppid() << 3 | 2, b'\\0' * 16)",
    "timer_create": "call(222, 107, 0, None, b'\\0' * 8)",
    "timerfd_create": "call(283, 85, 0, 0)",
    "signalfd": "call(289, 74, -1, b'\\0' * 8, 8, 0)",
    "memfd_create": "call(319, 279, b'x', 0)",
    "memfd_secret": "call(447, 447, 0)",
    "shmget": "call(29, 194, 7, 4096, 0o1666)",
    "msgget": "call(68, 186, 7, 0o1666)",
    "semget": "call(64, 190, 7, 1, 0o1666)",
    "mq_open": "call(240, 180, b'x', 66, 0o600, None)",
    "add_key": "call(248, 217, b'user', b'x', b'y', 1, -3)",
    "request_key": "call(249, 218, b'user', b'x', None, -3)",
    "keyctl": "call(250, 219, 0, -3, 0)",
    "io_uring_setup": "call(425, 425, 1, b'\\0' * 120)",
    "userfaultfd": "call(323, 282, 0)",
    "perf_event_open": "call(298, 241, b'\\0' * 112, 0, -1, -1, 0)",
    "bpf": "call(321, 280, 0, b'\\0' * 64, 64)",
    "inotify_init": "call(294, 26, 0)",
    "fanotify_init": "call(300, 262, 0, 0)",
    "landlock_create_ruleset": "call(444, 444, None, 0, 1)",
    "truncate": "call(76, 45, b'x', 0)",
    "fallocate": "call(285, 47, 4, 0, 0, 1 << 20)",
    "chmod": "call(90, None, b'.', 0o777)",
    "fchmodat": "call(268, 53, -100, b'.', 0o777, 0)",
    "chown": "call(92, None, b'.', 0, 0)",
    "utimensat": "call(280, 88, -100, b'.', None, 0)",
    "setxattr": "call(188, 5, b'.', b'user.x', b'y', 1, 0)",
    "link": "call(86, None, b'x', b'y')",
    "symlink": "call(88, None, b'/etc/passwd', b'y')",
    "mknod": "call(133, None, b'y', 0o10600, 0)",
    "chroot": "call(161, 51, b'.')",
    "mount": "call(165, 40, b'none', b'/', b'tmpfs', 0, None)",
    "open_tree": "call(428, 428, -100, b'/', 1)",
    "setns": "call(308, 268, 3, 0)",
    "execve": "call(59, 221, b'/bin/true', None, None)",
    "execveat": "call(322, 281, -100, b'/bin/true', None, None, 0)",
    "fork": "call(57, None)",
    "vfork": "call(58, None)",
    "clone of a process": "call(56, 220, 17, None, None, None, 0)",
    "clone3": "call(435, 435, b'\\0' * 64, 64)",
    "socket": "call(41, 198, 1, 1, 0)",
    "socketpair": "call(53, 199, 1, 1, 0, b'\\0' * 8)",
    "sendmsg on its line": "call(46, 211, 4, None, 0)",
    "recvmsg on its line": "call(47, 212, 4, None, 0)",
    "getpeername of its line": "call(52, 205, 4, b'\\0' * 64, b'\\x40\\0\\0\\0')",
    "sync": "call(162, 81) or call(306, 267, 3)",
    "prctl": "call(157, 167, 1, 9, 0, 0, 0)",
    "personality": "call(135, 92, 0x0040000)",
    "reboot": "call(169, 142, 0, 0, 0, None)",
    "a shared pipe of news": "call(293, 59, b'\\0' * 8, 0x80)",
    "openat2": "call(437, 437, -100, b'.', b'\\0' * 24, 24)",
    "open_by_handle_at": "call(304, 265, -100, b'\\0' * 64, 0)",
    "huge pages": "libc.mmap(None, 1 << 21, 3, 0x40022, -1, 0) + 1 or refuse()",
}


@pytest.mark.parametrize("what", CALLS)
def test_calls_are_refused(sandbox: Sandbox, what: str) -> None:
    refuse = "def refuse():\n    raise OSError('refused')\n"
    attempts(sandbox, refuse + SYSCALL + CALLS[what])


def test_a_process_of_the_same_user_lives_on(sandbox: Sandbox) -> None:
    """What a program without namespaces could once kill: any process of its user."""
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            source = f"""
import ctypes, fcntl, os
libc = ctypes.CDLL(None)
r, w = os.pipe()
for command, argument in ((8, {victim.pid}), (10, {int(number)}), (4, 0x2000 | 2048)):
    libc.fcntl(r, command, argument)
libc.kill({victim.pid}, {int(number)})
os.write(w, b"x")
def attempt():
    return os.write(w, b"x")
"""
            assert sandbox.run(Job(source, ("assert attempt() == 1",), NAMES)).right
        time.sleep(0.2)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


@pytest.mark.skipif(not best_layers(strong=True).namespaces, reason="needs namespaces")
def test_a_program_cannot_tell_what_exists_outside(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    paths = [str(secret), str(tmp_path), __file__, "/etc/passwd", "/etc/hostname", "/proc/1"]
    paths += [f"/proc/{os.getpid()}", "/sys/kernel", "/home", "/root/.ssh", "/usr/bin", "/dev/shm"]
    paths += ["/var/log", "/run", "/boot", "/dev/tty", "/proc/self", sys.executable]
    source = f"""
import os
def attempt():
    found = [path for path in {paths} if os.path.lexists(path) or os.access(path, os.F_OK)]
    for path in {paths}:
        try:
            os.readlink(path)
        except FileNotFoundError:
            continue
        except OSError:
            found.append(path)
    return found
"""
    outcome = sandbox.run(Job(source, ("assert attempt() == [], attempt()",), NAMES))
    assert outcome.right, outcome
    names = "import os\ndef attempt():\n    return os.uname().nodename"
    assert sandbox.run(Job(names, ("assert attempt() == 'sandbox'",), NAMES)).right


LANDLOCKED = """
import importlib, json, os, sys, types
folder, version, readable, scratch = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
for name, path in (("selfcorrect_env", os.path.dirname(folder)),
                   ("selfcorrect_env.sandbox", folder)):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
from selfcorrect_env.sandbox import confinement, landlock, seccomp
if not 0 < version <= landlock.version():
    print("null")
    sys.exit()
landlock.version = lambda: version
calls = seccomp.Filter()
rules = landlock.ruleset([readable], [], [scratch])
confinement.no_new_privileges()
landlock.restrict(rules)
calls.install()
outside = readable + ".outside"
attempts = {
    "truncates what it may read": lambda: os.open(readable, os.O_RDONLY | os.O_TRUNC),
    "truncates by another name": lambda: os.open(f"{scratch}/../{os.path.basename(readable)}",
                                                 os.O_TRUNC),
    "truncates with an access of 3": lambda: os.open(readable, 3 | os.O_TRUNC),
    "truncates by path": lambda: os.truncate(readable, 0),
    "writes": lambda: os.open(readable, os.O_WRONLY),
    "appends": lambda: os.open(readable, os.O_WRONLY | os.O_APPEND),
    "writes and truncates": lambda: os.open(readable, os.O_RDWR | os.O_TRUNC),
    "truncates another": lambda: os.truncate(outside, 0),
    "opens another to truncate": lambda: os.open(outside, os.O_TRUNC),
    "renames into its folder": lambda: os.rename(readable, f"{scratch}/x"),
    "renames over it": lambda: (open(f"{scratch}/y", "w").close(),
                                os.rename(f"{scratch}/y", readable)),
    "deletes": lambda: os.unlink(readable),
    "makes a file beside it": lambda: os.open(outside + "2", os.O_CREAT | os.O_WRONLY),
    "makes a folder beside it": lambda: os.mkdir(outside + "3"),
}
done = []
for what, attempt in attempts.items():
    try:
        attempt()
    except OSError:
        continue
    done.append(what)
with open(f"{scratch}/mine", "w") as file:
    file.write("mine")
with open(f"{scratch}/mine", "w") as file:
    file.write("again")
with open(f"{scratch}/mine", "r+") as file:
    file.truncate(2)
if open(f"{scratch}/mine").read() != "ag":
    done.append("its own files fail")
print(json.dumps(done))
"""


@pytest.mark.parametrize("version", range(1, 8))
def test_every_version_of_landlock_keeps_files_whole(version: int, tmp_path: Path) -> None:
    """The kernels of widespread distributions have version 1 or 2, without truncation."""
    readable, outside = tmp_path / "file", tmp_path / "file.outside"
    readable.write_text("content")
    outside.write_text("content")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = str(Path(landlock.__file__).parent)
    command = [sys.executable, "-I", "-S", "-c", LANDLOCKED, folder, str(version)]
    done = subprocess.run(
        [*command, str(readable), str(scratch)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found is None:
        pytest.skip(f"this kernel has no version {version} of landlock")
    assert found == []
    assert (readable.read_text(), outside.read_text()) == ("content", "content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "file.outside", "scratch"]
