"""The reproduction of arXiv:1809.06848 v2: one module a claim, each returning what it found and its figure."""
