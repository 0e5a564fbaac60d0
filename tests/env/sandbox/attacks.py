"""Programs that try to pass without solving, to get out, or to break the machine.

Each is judged by ``assert add(2, 3) == 5`` and the like, and none of them adds.
"""

from __future__ import annotations

HONEST = "def add(a, b):\n    return a + b\n"

# -- forging the verdict -------------------------------------------------------------------------
FORGERIES: dict[str, str] = {
    "os._exit(0) at once": "import os\nos._exit(0)",
    "os._exit(0) in the call": "import os\ndef add(a, b):\n    os._exit(0)",
    "sys.exit(0)": "import sys\nsys.exit(0)",
    "SystemExit in the call": "def add(a, b):\n    raise SystemExit(0)",
    "KeyboardInterrupt": "def add(a, b):\n    raise KeyboardInterrupt",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\nadd = lambda a, b: 0",
    "prints a verdict": 'print(\'{"passed": 3, "total": 3, "failed": ""}\')\nadd = lambda a, b: 0',
    "always equal": "class A:\n    __eq__ = lambda s, o: True\nadd = lambda a, b: A()",
    "int that is always equal": (
        "class A(int):\n    __eq__ = lambda s, o: True\n    __hash__ = int.__hash__\n"
        "add = lambda a, b: A(0)"
    ),
    "str that is always equal": (
        "class A(str):\n    __eq__ = lambda s, o: True\nadd = lambda a, b: A('x')"
    ),
    "claims to be an int": (
        "class A:\n    __class__ = int\n    __eq__ = lambda s, o: True\nadd = lambda a, b: A()"
    ),
    "reflected equality": (
        "class A(int):\n    def __req__(s, o): return True\n    def __ne__(s, o): return False\n"
        "add = lambda a, b: A()"
    ),
    "patched builtins": (
        "import builtins\nbuiltins.AssertionError = ValueError\nbuiltins.abs = lambda x: 0\n"
        "builtins.len = lambda x: 0\nadd = lambda a, b: 0"
    ),
    "defines what tests use": (
        "def abs(x):\n    return 0\nclass AssertionError(Exception):\n    pass\n"
        "def add(a, b):\n    return 0"
    ),
    "patches its wire": (
        "import sys\nwire = sys.modules['selfcorrect_env.sandbox.wire']\n"
        "wire.encode = lambda *a: True\nadd = lambda a, b: 0"
    ),
    "sends a verdict": (
        "import json, os\nm = json.dumps({'passed': 3, 'total': 3, 'failed': ''}).encode()\n"
        "for fd in range(64):\n    try:\n        os.write(fd, len(m).to_bytes(4, 'big') + m)\n"
        "    except OSError:\n        pass\nadd = lambda a, b: 0"
    ),
    "answers twice": (
        "import os, json\nm = json.dumps({'value': 7}).encode()\n"
        "def add(a, b):\n    os.write(4, len(m).to_bytes(4, 'big') + m)\n    return 0"
    ),
    "sends nonsense": "import os\ndef add(a, b):\n    os.write(4, b'\\xff' * 64)\n    return 5",
    "announces a giant frame": (
        "import os\nos.write(4, b'\\xff\\xff\\xff\\xff')\nadd = lambda a, b: 0"
    ),
    "a frame of deep JSON": (
        "import os\nm = b'[' * 100000\ndef add(a, b):\n"
        "    os.write(4, len(m).to_bytes(4, 'big') + m)\n    return 5"
    ),
    "looks for the tests in memory": (
        "import gc, sys\ngc.unfreeze()\ndef add(a, b):\n    for o in gc.get_objects():\n"
        "        if isinstance(o, dict) and 'tests' in o and isinstance(o['tests'], list):\n"
        "            return eval(o['tests'][0].rpartition('==')[2])\n    return 0"
    ),
    "walks the frames": (
        "import sys\ndef add(a, b):\n    f = sys._getframe()\n    while f:\n"
        "        for v in f.f_locals.values():\n"
        "            if isinstance(v, str) and 'assert add' in v:\n                return 5\n"
        "        f = f.f_back\n    return 0"
    ),
    "reads its memory": (
        "def add(a, b):\n    for line in open('/proc/self/maps'):\n        pass\n"
        "    return 5 if 'assert add' in open('/proc/self/mem').read() else 0"
    ),
    "raises what tests may catch": "def add(a, b):\n    raise StopIteration",
    "an exception with an evil text": (
        "class E(Exception):\n    def __str__(self):\n        raise SystemExit\n"
        "def add(a, b):\n    raise E"
    ),
    "returns a function": "def add(a, b):\n    return add",
    "returns itself for ever": (
        "class L(list):\n    pass\ndef add(a, b):\n    l = L()\n    l.append(l)\n    return l"
    ),
    "an iterator without end": "import itertools\nadd = lambda a, b: itertools.count()",
    "nan": "add = lambda a, b: float('nan')",
    "a main guard": "if __name__ == '__main__':\n    def add(a, b):\n        return a + b",
    "nothing": "",
    "no Python": "I would rather add them up in words.",
    "NUL": "\x00def add(a, b): return 0",
    "lone surrogates": "x = '\ud800'\ndef add(a, b): return x",
    "deep recursion": "def add(a, b):\n    return add(a, b)",
    "deep source": "add = " + "(" * 5000 + "0" + ")" * 5000,
    "segmentation fault": "import ctypes\nctypes.string_at(0)",
    "raises the recursion limit": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef add(a, b):\n    return add(a, b)"
    ),
    "replaces sys.modules": "import sys\nsys.modules.clear()\nadd = lambda a, b: 0",
    "changes its arguments": "def add(a, b):\n    a = b = 5\n    return None",
}
"""What it does -> the program. Each is wrong, and judged soon."""

# -- using up time or memory ---------------------------------------------------------------------
HOGS: dict[str, str] = {
    "loops": "while True:\n    pass",
    "loops in the call": "def add(a, b):\n    while True:\n        pass",
    "sleeps": "import time\ntime.sleep(1000)",
    "ignores signals": (
        "import signal\nfor n in range(1, 64):\n"
        "    try:\n        signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass"
    ),
    "catches everything": (
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n"
        "        pass"
    ),
    "a thread that goes on": (
        "import threading\ndef spin():\n    while True:\n        pass\n"
        "threading.Thread(target=spin).start()\nspin()"
    ),
    "a giant power": "def add(a, b):\n    return 9 ** 9 ** 9 ** 9",
    "a slow pattern": ("import re\ndef add(a, b):\n    return re.match('(a+)+$', 'a' * 60 + 'b')"),
    "fills its folder": (
        "import os\ni = 0\nwhile True:\n    i += 1\n    try:\n"
        "        open(str(i), 'wb').write(b'x' * 10**6)\n    except OSError:\n        pass"
    ),
    "prints without end": "while True:\n    print('x' * 10**6)",
}
"""What it does -> the program. Each is judged ``timeout`` at its deadline."""

EATERS: dict[str, str] = {
    "a giant list": "x = [0] * 10**10",
    "a list that grows": "x = []\nwhile True:\n    x.append(bytes(10**6))",
    "a giant answer": "def add(a, b):\n    return 'x' * 10**8",
    "a flood of objects": "def add(a, b):\n    return [[i] for i in range(10**7)]",
}
"""What it does -> the program. Each fails for its size, soon."""

# -- getting out ---------------------------------------------------------------------------------
ESCAPES: dict[str, str] = {
    "reads /etc/passwd": "open('/etc/passwd').read()",
    "reads a secret": "open(SECRET).read()",
    "lists the home": "import os\nassert os.listdir(os.path.dirname(SECRET))",
    "reads the environment": (
        "import os\nassert os.environ.get('SELFCORRECT_SECRET') or "
        "b'SELFCORRECT_SECRET' in open('/proc/1/environ', 'rb').read()"
    ),
    "writes to /tmp": "open('/tmp/selfcorrect-escaped', 'w').write('x')",
    "writes beside the secret": "open(SECRET + '.new', 'w').write('x')",
    "overwrites the secret": "open(SECRET, 'w').write('x')",
    "deletes the secret": "import os\nos.unlink(SECRET)",
    "makes the secret public": "import os\nos.chmod(SECRET, 0o777)",
    "links to the secret": "import os\nos.symlink(SECRET, 'link')\nopen('link').read()",
    "starts a program": "import subprocess\nsubprocess.run(['/bin/true'], check=True)",
    "os.system": "import os\nassert os.system('true') == 0",
    "forks": "import os\nos.fork()",
    "a fork bomb": "import os\nos.fork()\nwhile True:\n    os.fork()",
    "a daemon": "import os\nif os.fork() == 0:\n    os.setsid()\n    os.fork()",
    "kills everything": "import os\nos.kill(-1, 9)",
    "kills its parent": "import os\nos.kill(os.getppid(), 9)",
    "a socket": "import socket\nsocket.socket()",
    "connects": "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)",
    "a local socket": "import socket\nsocket.socketpair()",
    "looks up a name": "import socket\nsocket.getaddrinfo('localhost', 80)[99]",
    "raises its limits": ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))"),
    "becomes another user": "import os\nos.setuid(1)",
    "mounts": (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "assert libc.mount(b'none', b'/', None, 0x44000, None) == 0"
    ),
    "new namespaces": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "traces its parent": (
        "import ctypes, os\nassert ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0"
    ),
    "reads its parent's memory": "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "shared memory": ("import ctypes\nassert ctypes.CDLL(None).shmget(7, 4096, 0o1666) >= 0"),
    "a semaphore that stays": "import multiprocessing\nmultiprocessing.Semaphore()",
}
"""What it does -> a program that raises unless it gets what it wants."""
