"""The training of networks, from one step to all folds of a run, and prediction."""
