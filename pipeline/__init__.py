"""From a Kaggle download to a scored submission for 28×28 digit images.

Shape letters used in every docstring:

* N: images in a set, B: images in a batch
* C: channels (1), H, W: height and width (28), K: classes (10)

Images are uint8, 0 (background) to 255 (ink), unless a docstring says otherwise.
"""

import os

# albumentations asks a server for newer versions each time it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"

# Threads that wait for each other spin for a fraction of a millisecond, then sleep; both variables
# are read when torch is loaded, the count by GNU's OpenMP alone. Training `standard` on two cores
# is 1.13 times as fast as without any spinning (21 pairs of runs), beside a busy process 1.03 times
# (15 pairs). To spin as long as OpenMP does by itself makes short operations, as the augmentation
# has, up to 40 times slower beside a busy process.
if "OMP_WAIT_POLICY" not in os.environ:  # the count would override a policy of the user's own
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
