import pytest

from vidferry_common.contract.messages import WAITING
from vidferry_common.contract.stages import STARTED, TRIED_AGAIN, first_step


@pytest.mark.parametrize(
    ("attempt", "waited", "message"),
    [
        (1, WAITING, "Processing started"),
        (2, f"The site stopped sending. {TRIED_AGAIN}", "Restarted: the site stopped sending."),
        (2, WAITING, "Restarted: the previous worker stopped."),
        (3, "", "Restarted: the previous worker stopped."),
    ],
)
def test_an_attempt_after_the_first_says_why_it_begins_anew(attempt: int, waited: str, message: str) -> None:
    step = first_step(attempt, waited)

    assert step.message == message
    assert (step.stage, step.progress) == (STARTED.stage, STARTED.progress)
