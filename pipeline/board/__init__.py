"""What runs and submissions came to: their rows, and how a table of them is printed."""
