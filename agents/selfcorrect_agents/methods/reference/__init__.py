"""Reference agents: instruments whose figures are known beforehand, so that measuring is measured.

`null.Null` and `gold.Gold` need no torch, so nothing is imported here.
"""
