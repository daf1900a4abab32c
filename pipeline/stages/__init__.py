"""One room per stage: each reads artefacts, calls the floors below, writes artefacts.

Stages never import each other; what they hand on are files.
"""
