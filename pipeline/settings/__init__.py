"""Everything that can be turned: typed, range-checked, with presets."""
