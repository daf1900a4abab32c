"""Searching for better values: what may vary, and the memory of what was tried."""
