"""The right to append: made in one place only."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from aion_store.contract import WriteToken, check_write_token


def test_only_the_recorder_makes_one() -> None:
    check_write_token(WriteToken.recorder())
    for arguments in ((), (object(),), (None,), (True,)):
        with pytest.raises(TypeError):
            WriteToken(*arguments)


def test_it_cannot_be_subclassed() -> None:
    with pytest.raises(TypeError):
        type("Own", (WriteToken,), {})


@pytest.mark.parametrize("other", [None, object(), "token", WriteToken, WriteToken.recorder, 1])
def test_nothing_else_passes_for_one(other: Any) -> None:
    with pytest.raises(TypeError, match=r"WriteToken\.recorder"):
        check_write_token(other)


def test_a_copy_of_a_token_is_a_token() -> None:
    check_write_token(copy.copy(WriteToken.recorder()))
