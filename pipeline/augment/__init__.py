"""Augmentation: the recipes that users write, and what runs them."""
