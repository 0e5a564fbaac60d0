"""The forms in which models and servers write a program, as functions of a program.

`WHOLE` takes a whole program and the tested function's name; `BODY` takes a stub and the rest of
the program, and gives a continuation of the stub.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable


def _fenced(opening: str, closing: str = "```") -> Callable[[str, str], str]:
    return lambda program, name: f"Here it is:\n\n{opening}\n{program.rstrip()}\n{closing}\n\nDone."


def _prompts(program: str) -> str:
    lines = program.rstrip().split("\n")
    return "\n".join((">>> " if line[:1].strip() else "... ") + line for line in lines)


def _indented(text: str, by: str) -> str:
    return "\n".join(by + line if line.strip() else line for line in text.split("\n"))


def _after_wrong(program: str, name: str) -> str:
    wrong = f"def {name}(*arguments):\n    return None\n"
    return f"```python\n{wrong}```\nThat fails for some. Corrected:\n```python\n{program}\n```"


WHOLE: dict[str, Callable[[str, str], str]] = {
    "bare": lambda program, name: program,
    "a sentence before": lambda program, name: f"Sure! Here is the function:\n\n{program}",
    "a sentence after": lambda program, name: f"{program}\n\nThis walks over it and returns.",
    "sentences around": lambda program, name: f"Sure!\n\n{program}\n\nThis works for all x.\nOK?",
    "four spaces of Markdown": lambda program, name: (
        f"The function:\n\n{_indented(program, '    ')}\n\nIt is done."
    ),
    "cut off in the next def": lambda program, name: f"{program}\n\ndef other(x, y",
    "cut off in a docstring": lambda program, name: f'{program}\n\ndef other():\n    """Do',
    "cut off in an example": lambda program, name: f"{program}\n\nprint({name}([1, 2",
    "Windows line ends": lambda program, name: f"```python\n{program}\n```".replace("\n", "\r\n"),
    "byte order mark": lambda program, name: f"\ufeff{program}",
    "python": _fenced("```python"),
    "Python3": _fenced("```Python3"),
    "py": _fenced("```py"),
    "no language": _fenced("```"),
    "python copy": _fenced("```python copy"),
    "attributes": _fenced('```python title="solution.py" linenums="1"'),
    "pandoc": _fenced("```{.python .numberLines}"),
    "file name": _fenced("```python:solution.py"),
    "tildes": _fenced("~~~python", "~~~"),
    "four backticks": _fenced("````python", "````"),
    "indented fence": lambda program, name: (
        "1. The function:\n\n" + _indented(f"```python\n{program.rstrip()}\n```", "   ")
    ),
    "fence in a list item": lambda program, name: (
        "- ```python\n" + _indented(f"{program.rstrip()}\n```", "  ")
    ),
    "quoted": lambda program, name: "\n".join(
        f"> {line}" for line in f"```python\n{program.rstrip()}\n```".split("\n")
    ),
    "closing fence on the last line": lambda program, name: f"```python\n{program.rstrip()}```",
    "fence after words": lambda program, name: f"Answer: ```python\n{program}\n```",
    "fence never closed": lambda program, name: f"```python\n{program}",
    "fence opened by the prompt": lambda program, name: f"{program}\n```\n\nThis is the function.",
    "prose with backticks": lambda program, name: (
        f"Use ``` to fence.\n```python\n{program}\n```\nThe function `{name}` is done."
    ),
    "output after": lambda program, name: f"```python\n{program}\n```\nOutput:\n```\n3\n```",
    "shell before": lambda program, name: (
        f"```bash\npip install numpy\n```\n```python\n{program}\n```"
    ),
    "example block after": lambda program, name: (
        f"```python\n{program}\n```\nUse:\n```python\nprint({name}())\n```"
    ),
    "example imports it": lambda program, name: (
        f"```python\n{program}\n```\n```python\nfrom solution import {name}\nprint({name})\n```"
    ),
    "wrong, then corrected": _after_wrong,
    "[PYTHON]": lambda program, name: f"[PYTHON]\n{program.rstrip()}\n[/PYTHON]",
    "[BEGIN] and [DONE]": lambda program, name: f"[BEGIN]\n{program.rstrip()}\n[DONE]\nNext task",
    "<answer>": lambda program, name: f"<answer>\n{program.rstrip()}\n</answer>",
    "<code> on the same line": lambda program, name: f"<code>{program.rstrip()}</code>",
    "<answer> around a fence": lambda program, name: (
        f"<answer>\n```python\n{program.rstrip()}\n```\n</answer>"
    ),
    "after a thought": lambda program, name: (
        f"<think>\n```python\ndef {name}():\n    pass\n```\n</think>\n{program}"
    ),
    "after a thought that the prompt opened": lambda program, name: (
        f"Perhaps\ndef {name}():\n    pass\n</think>\n\n```python\n{program}\n```"
    ),
    "final channel": lambda program, name: (
        "<|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant"
        f"<|channel|>final<|message|>```python\n{program}\n```<|return|>"
    ),
    "prompts of a session": lambda program, name: f"```python\n{_prompts(program)}\n```",
    "HTML entities": lambda program, name: f"```python\n{html.escape(program)}\n```",
    "non-breaking spaces": lambda program, name: (
        f"```python\n{program.replace('    ', 4 * chr(0xA0))}\n```"
    ),
    "notebook magic": lambda program, name: f"```python\n%load_ext x\n{program}\n!ls\n```",
    "JSON around it": lambda program, name: f"{{\n```python\n{program}\n```\n}}",
}

BODY: dict[str, Callable[[str, str], str]] = {
    "as it stands": lambda stub, body: body,
    "first line stripped": lambda stub, body: body.lstrip(),
    "one space too many": lambda stub, body: f" {body}",
    "one space too few": lambda stub, body: body.removeprefix(" "),
    "stripped on both sides": lambda stub, body: body.strip(),
    "dedented": lambda stub, body: textwrap.dedent(body),
    "in a fence": lambda stub, body: f"```python\n{body.rstrip()}\n```",
    "dedented in a fence": lambda stub, body: f"```python\n{textwrap.dedent(body).rstrip()}\n```",
    "stripped in a fence": lambda stub, body: f"```python\n{body.strip()}\n```",
    "a sentence before": lambda stub, body: f"The body is:\n\n{body}",
    "a sentence after": lambda stub, body: f"{body}\n\n\nThis returns what is asked.",
    "stripped, a sentence after": lambda stub, body: f"{body.strip()}\n\nThis returns it.",
    "cut off in the next def": lambda stub, body: f"{body}\n\n\ndef other(x",
    "cut off in a docstring": lambda stub, body: f'{body}\n\n\ndef other():\n    """ Do',
    "an example after": lambda stub, body: f"{body}\n\nprint(1 / 0)\n",
    "a main block after": lambda stub, body: (
        f"{body}\n\nif __name__ == '__main__':\n    import doctest\n    doctest.testmod()\n"
    ),
    "Windows line ends": lambda stub, body: body.replace("\n", "\r\n"),
    "a newline before": lambda stub, body: f"\n{body}",
    "the stub again": lambda stub, body: stub + body,
    "the stub again, in a fence": lambda stub, body: f"```python\n{stub}{body}\n```",
    "after a thought": lambda stub, body: f"<think>def f(): return 0</think>\n{body}",
    "fence closed, never opened": lambda stub, body: f"{body}\n```\n\nThat is all.",
    "an example block after": lambda stub, body: f"{body}\n\n```python\nprint(1)\n```",
}
