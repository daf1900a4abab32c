"""A competition's files and what they hold: archives, CSV, arrays, folds, preprocessing."""
