"""The text of a stream's position is what it was when it was released."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aion_store import PartitionPosition, StreamPosition

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("stream-positions-v1.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["text"])
def test_positions_read_as_they_did(vector: dict[str, Any]) -> None:
    places = {int(number): PartitionPosition(*place) for number, place in vector["partitions"].items()}
    position = StreamPosition(vector["topic_id"], places)
    assert str(position) == vector["text"]
    assert StreamPosition.parse(vector["text"]) == position


def test_the_position_of_a_group_that_read_nothing_yet_is_read_back() -> None:
    position = StreamPosition("AbCdEfGhIjKlMnOpQrStUv", {})
    assert StreamPosition.parse(str(position)) == position


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text.replace("-15-", "-16-"), lambda _: ""])
def test_a_text_that_was_changed_is_refused(change: Any) -> None:
    with pytest.raises(ValueError, match="isn't a stream position"):
        StreamPosition.parse(change(VECTORS[1]["text"]))
