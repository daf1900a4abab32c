"""What a result is worth: differences and their evidence, searches, audits."""
