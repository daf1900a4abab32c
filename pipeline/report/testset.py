"""The first test images with what was predicted for them."""

from pipeline.report.evidence import Evidence
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import Section, render

NUM_SHOWN = 60


def section(evidence: Evidence, sheet: SpriteSheet) -> Section:
    """Return the section."""
    names = evidence.competition.class_names
    digits = [
        (
            index + 1,
            sheet.place(("test", index), image),
            names[int(probs.argmax())],
            float(probs.max()),
        )
        for index, (image, probs) in enumerate(
            zip(evidence.test_images, evidence.test_probs, strict=True)
        )
    ]
    body = render("testset.html", digits=digits, num_test=evidence.num_test)
    return Section("test", "First test images", body)
