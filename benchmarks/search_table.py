"""What did the search of `tune.py` find? The chosen setting of every row, and how many arrived.

    python benchmarks/search_table.py benchmarks/settings/arithmetic

reads arithmetic.json and arithmetic-trials.jsonl, and prints a Markdown table: Acc@t1/Acc@t2 of the
chosen setting on each tuning base (percent, T = 1, validation problems), and, of all settings of
the row, how many brought Acc@t2 to 90% on each base.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro
from trials import read_results
from tune import SPACES, Options, draw, trial

ARRIVAL = 0.9
"""Acc@t2 from which a base has arrived."""


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which search."""

    name: tyro.conf.Positional[str]
    """Its files without their endings."""


def main() -> None:
    which = tyro.cli(Which, description=__doc__)
    stored = json.loads(Path(f"{which.name}.json").read_text())
    options = Options(**{**stored["options"], "seeds": tuple(stored["options"]["seeds"])})
    results = read_results(Path(f"{which.name}-trials.jsonl"))
    bases = options.seeds
    heads = ["row", *(f"t1/t2, base {b}" for b in bases), *(f"arrived, base {b}" for b in bases)]
    print("| " + " | ".join([*heads, "chosen setting"]) + " |")
    print("| --- |" + " ---: |" * (len(heads) - 1) + " --- |")
    for row in SPACES:
        settings = draw(row, options.trials)
        found = [[results[trial(options, row, s, b).key] for b in bases] for s in settings]
        chosen = stored["chosen"][row]["learning"]
        best = found[settings.index(chosen)]
        cells = [f"{100 * result['t1']:.1f}/{100 * result['t2']:.1f}" for result in best]
        for i in range(len(bases)):
            count = sum(of_bases[i]["t2"] >= ARRIVAL for of_bases in found)
            cells.append(f"{count} of {len(found)}")
        text = ", ".join(f"{name} {value}" for name, value in chosen.items())
        print("| " + " | ".join([row, *cells, text]) + " |")


if __name__ == "__main__":
    main()
