"""`selfcorrect compare`: methods × seeds from the same base model, on the same problems and budget.

A *cell* is one method with one seed. The folders, each of which imports only those above it:

plan/       what is compared
    config          compare.toml as dataclasses; `typed_values` checks values of TOML and JSON
    compared_agents the agents: how each is found, trained within the budget, made to play
    environments    the environments of training and testing
    content_hashes  hashes of problem sets and weights; refuses to measure on training problems
    cells           the cells, their folders, and whether they are finished
results/    numbers
    clock, sampling     wall-clock time of a cell; many samples of each problem
    cell_results        what finished cells have in their folders
    problem_metrics     the metrics of a cell at each problem
    statistics          intervals and tests over seeds and problems: pure numpy
    comparison          `MethodComparison`: the one form that files and reports are made from
    summary             makes it from the results of all cells
    formats             numbers as text
report/     texts and pictures
    table_rows      the rows of all tables; `terminal`, `markdown` and `csv_rows` show them
    page            report.html, made of `sections`
    curves          learning curves for the terminal and as a picture
    files           writes the files
run/        processes
    worker          the process of one cell: trains, measures
    schedule        runs the missing cells, several at a time, with `progress_bars`
engine.py   checks a comparison, runs what is missing, loads the results
"""
