"""A file for each line of a verification: `look` does what it takes, `evaluate` judges it."""
