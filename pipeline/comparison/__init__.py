"""Did the change help, and how sure is that: two sides, paired image by image; pure.

A side is one training recipe: a network per seed, each of which classified the same N validation
images. What is asked is whether B's networks are better than A's, not on these images and with
these seeds alone, but on images like these (the leaderboard's) and with other seeds.
"""
