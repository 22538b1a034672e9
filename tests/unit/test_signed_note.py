"""Signed notes: as the C2SP specification has them, and refused when anything in them was changed."""

from __future__ import annotations

import pytest

from aion_service.audit.notes import Checkpoint, keys_before, sign_rotation, trusted_keys
from aion_service.audit.signed_note import SignerKey, VerifierKey, open_note, sign_note
from aion_store.errors import ConfigurationError
from aion_store.log.verification import ChainPoint

OF_THE_SPECIFICATION = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ITS_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

OLD, NEW, OTHER = (SignerKey(name, bytes([seed]) * 32) for name, seed in (("a.b/c", 1), ("a.b/c", 2), ("d", 3)))
POINTS = {0: ChainPoint(10, 7, bytes(32)), 1: ChainPoint(0, 0, bytes(range(32)))}
CHECKPOINT = Checkpoint("a.b/c", "AbCdEfGhIjKlMnOpQrStUv", "2026-01-31T12:00:00Z", POINTS)


def test_a_note_of_another_implementation_is_verified() -> None:
    assert (
        open_note(OF_THE_SPECIFICATION, [VerifierKey.parse(ITS_KEY)])[1] == "then you don't know what your problem is."
    )
    with pytest.raises(ConfigurationError, match="no valid signature"):
        open_note(OF_THE_SPECIFICATION.replace("answer", "Answer"), [VerifierKey.parse(ITS_KEY)])


def test_keys_come_back_from_their_texts_and_secrets_are_not_shown() -> None:
    assert VerifierKey.parse(str(OLD.verifier)) == OLD.verifier
    assert SignerKey.parse(OLD.text()) == OLD
    assert OLD.text() not in repr(OLD)
    assert "seed" not in repr(OLD)
    made = SignerKey.generate("x")
    assert made != SignerKey.generate("x")
    for text in (
        "",
        "a",
        "a+00000000+AQ==",
        str(OLD.verifier)[:-1],
        str(OLD.verifier).replace("a.b", "a.d"),
        OLD.text(),
    ):
        with pytest.raises(ConfigurationError):
            VerifierKey.parse(text)
    for text in ("", str(OLD.verifier), OLD.text()[:-2], OLD.text().replace("a.b", "a.d")):
        with pytest.raises(ConfigurationError) as refused:
            SignerKey.parse(text)
        assert not text or text not in str(refused.value)
    for name in ("", "a b", "a+b"):
        with pytest.raises(ConfigurationError):
            SignerKey.generate(name)


def test_a_checkpoint_comes_back_and_any_change_is_noticed() -> None:
    note = CHECKPOINT.sign(OLD)
    assert Checkpoint.open(note, [OTHER.verifier, OLD.verifier]) == CHECKPOINT
    assert note.splitlines()[:5] == ["a.b/c", "aion-store checkpoint 1", CHECKPOINT.topic_id, CHECKPOINT.time,
                                     f"0 10 7 {'00' * 32}"]  # fmt: skip
    for position in range(len(note)):
        changed = note[:position] + ("0" if note[position] != "0" else "1") + note[position + 1 :]
        with pytest.raises(ConfigurationError):
            Checkpoint.open(changed, [OLD.verifier])
    for keys in ([], [NEW.verifier], [OTHER.verifier]):
        with pytest.raises(ConfigurationError):
            Checkpoint.open(note, keys)


def test_another_kind_of_note_is_no_checkpoint() -> None:
    for lines in (
        ["hello"],
        ["d", *CHECKPOINT.sign(OLD).splitlines()[1:5]],
        ["a.b/c", "aion-store checkpoint 1", "x", "y"],
    ):
        with pytest.raises(ConfigurationError, match="signed, but"):
            Checkpoint.open(sign_note(lines, [OLD]), [OLD.verifier])
    gap = Checkpoint("a.b/c", CHECKPOINT.topic_id, "t", {1: POINTS[0]}).sign(OLD)
    with pytest.raises(ConfigurationError, match="partitions"):
        Checkpoint.open(gap, [OLD.verifier])


def test_a_rotation_is_signed_with_both_keys() -> None:
    rotation = sign_rotation(OLD, NEW)
    assert trusted_keys(OLD.verifier, [rotation]) == [OLD.verifier, NEW.verifier]
    assert keys_before(NEW, [rotation]) == [OLD.verifier, NEW.verifier]
    assert Checkpoint.open(CHECKPOINT.sign(NEW), trusted_keys(OLD.verifier, [rotation])) == CHECKPOINT
    further = sign_rotation(NEW, OTHER)
    assert trusted_keys(OLD.verifier, [rotation, further])[-1] == OTHER.verifier
    text = rotation.rpartition("\n\n")[0].splitlines()
    for false in (sign_note(text, [OLD]), sign_note(text, [NEW]), sign_note(text, [OLD, OTHER]), CHECKPOINT.sign(OLD)):
        with pytest.raises(ConfigurationError):
            trusted_keys(OLD.verifier, [false])
    for first, notes in ((OTHER, [rotation]), (OLD, [further]), (OLD, [further, rotation])):
        with pytest.raises(ConfigurationError):
            trusted_keys(first.verifier, notes)
    with pytest.raises(ConfigurationError, match="lead to key"):
        keys_before(OTHER, [rotation])
