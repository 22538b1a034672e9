"""Consistency tokens: their text is frozen, and damaged text is noticed."""

from __future__ import annotations

import pytest

from aion_store.model.consistency import ConsistencyToken

GOLDEN = {
    "at1.AAAAAAAAAAAAAAAAAAAAAA.0.0.bcc1d9f8": ConsistencyToken("A" * 22, 0, 0),
    "at1.dGhlIHRvcGljJ3MgaWQuLg.3.42.c300c465": ConsistencyToken("dGhlIHRvcGljJ3MgaWQuLg", 3, 42),
    "at1._-9zZ0123456789abcdefg.9999999999.9223372036854775807.c6dd6ccf": ConsistencyToken(
        "_-9zZ0123456789abcdefg", 9_999_999_999, 2**63 - 1
    ),
}
"""Texts that were given out: never change one, add new forms beside them."""


@pytest.mark.parametrize(("text", "token"), GOLDEN.items())
def test_texts_that_were_given_out_stay_valid(text: str, token: ConsistencyToken) -> None:
    assert str(token) == text
    assert ConsistencyToken.parse(text) == token


@pytest.mark.parametrize("text", GOLDEN)
def test_a_damaged_text_is_refused(text: str) -> None:
    damaged = [text[:i] + ("0" if text[i] != "0" else "1") + text[i + 1 :] for i in range(len(text))]
    for other in [*damaged, text[:-1], text + "0", text + "\n", " " + text, text.upper(), ""]:
        with pytest.raises(ValueError, match="consistency token"):
            ConsistencyToken.parse(other)
