"""Reference agents: agents with known metrics, which test the evaluation itself.

`null.Null` and `gold.Gold` need no torch, so nothing is imported here.
"""
