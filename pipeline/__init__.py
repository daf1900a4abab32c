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

# Threads that wait for each other sleep instead of spinning; read when torch is loaded. Alone on
# two cores, training is as fast either way; beside one other busy process it is 1.5 times as fast
# (1,533 to 983 images/s), and the augmentation, whose operations are short, up to 40 times.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
