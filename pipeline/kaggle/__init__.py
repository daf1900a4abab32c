"""Kaggle by way of its own `kaggle` command: download, upload, list, and its faults in words."""
