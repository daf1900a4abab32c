"""What several stages do with one run: train it, predict with it."""
