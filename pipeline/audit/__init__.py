"""Whether a score means what it says: what could have seen what it was scored on."""
