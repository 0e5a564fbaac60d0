"""`selfcorrect compare`: methods × seeds from the same base, on the same problems and budget.

config      what is compared, read from compare.toml and checked
contestants agents by name: how each is built, trained and kept to the budget
contents    what the names of models and problem sets stand for: fingerprints, hashes
cells       one method with one seed: what it is, where it lies, whether it is finished
worker      the process of one cell: trains, measures
schedule    runs the cells that are missing, several at a time
sampling    many samples of each problem, for maj@k and pass@k
statistics  intervals and tests over seeds and problems: pure numpy
results     what finished cells have left
summary     all of it put together: the content of comparison.json
rows        its figures as rows of text
tables      the rows for the terminal, for Markdown and for spreadsheets
page        report.html, made of `sections`
files       what is written
"""
