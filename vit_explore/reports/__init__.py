"""What the paper and five student reports and talks on it printed, as runs of this project, and what they give here.

A row is one file of `rows`; `records` holds what this project measured; `paper` the paper's own tables. No torch here.
"""
