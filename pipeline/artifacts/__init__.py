"""Everything the stages hand each other: its place, its format, its atomic reading and writing."""
