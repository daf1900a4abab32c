"""The message of a submission says what it says, and is understood again."""

import pytest

from pipeline.kaggle.message import Message, parse_message
from pipeline.runs.scoring import Accuracy


@pytest.mark.parametrize("accuracy", [Accuracy(4_184, 4_200), Accuracy(1, 1), None])
@pytest.mark.parametrize(
    "what", ["cnn, affine", "a | run of luck | (1/2)", "line\nline", 300 * "long "]
)
def test_a_message_is_read_as_it_was_written(accuracy, what):
    message = Message("standard-affine-s0-4bf8b1", accuracy, "[drp-0123abcd]")
    text = message.compose(what)
    assert parse_message(text) == message
    assert "\n" not in text and len(text) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my first try",
        "w | run a | validation 0.9962 (4,184/4,200, 95 % 0.9938-0.9977)",
        "w | run a | validation 0.9962 (4,184/4,200, 95 % 0.9938-0.9977) [drp-0123]",
        "[drp-0123abcd]",
    ],
)
def test_other_peoples_messages_are_not_ours(text):
    assert parse_message(text) is None
