"""Payloads: the three forms that are read, the two that are written, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from aion_store.model.payload import AnyPayload, EncryptedPayload, Payload

ANY: TypeAdapter[Payload | EncryptedPayload] = TypeAdapter(AnyPayload)


def read(form: dict[str, Any]) -> Payload | EncryptedPayload:
    return ANY.validate_json(json.dumps({"content_type": "Json", **form}), extra="ignore")


def written(payload: Payload | EncryptedPayload) -> dict[str, Any]:
    return json.loads(ANY.dump_json(payload))


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b'{"a":1}', {"text": '{"a":1}'}),
        (b"", {"text": ""}),
        (b"\x00", {"text": "\x00"}),
        ("é😀".encode(), {"text": "é😀"}),
        (b"\xff", {"base64": "/w=="}),
        (b"\xed\xa0\x80", {"base64": "7aCA"}),
    ],
)
def test_utf8_is_written_as_text_and_other_bytes_as_base64(data: bytes, form: dict[str, str]) -> None:
    assert written(Payload(data=data)) == {"content_type": "Json", **form}
    assert read(form) == Payload(data=data)


def test_a_list_of_bytes_is_read() -> None:
    assert read({"bytes": [123, 34, 0, 255]}) == Payload(data=b'{"\x00\xff')
    assert read({"bytes": []}) == Payload(data=b"")


def test_text_may_be_read_from_base64_as_well() -> None:
    assert read({"base64": "YQ=="}) == Payload(data=b"a")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"text": "a", "base64": "YQ=="},
        {"text": None},
        {"text": 5},
        {"base64": "YQ"},
        {"base64": "YQ==\n"},
        {"base64": "é"},
        {"bytes": "YQ=="},
        {"bytes": [256]},
        {"bytes": [-1]},
        {"bytes": [True]},
        {"bytes": [1.0]},
        {"bytes": ["a"]},
        {"content_type": None, "text": "a"},
        {"content_type": 5, "text": "a"},
        {"ciphertext": "a"},
        {"ciphertext": 5, "key_id": "k"},
    ],
)
def test_other_forms_are_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(form)


def test_an_encrypted_payload_is_kept_as_it_is() -> None:
    secret = EncryptedPayload(content_type="Json", key_id="k", ciphertext="opaque \x00 text")
    assert written(secret) == {"content_type": "Json", "key_id": "k", "ciphertext": "opaque \x00 text"}
    assert read({"key_id": "k", "ciphertext": "opaque \x00 text"}) == secret


def test_values_go_in_and_out_as_json() -> None:
    value = {"a": [1, None, "é"]}
    assert Payload.from_value(value).data == '{"a":[1,null,"é"]}'.encode()
    assert Payload.from_value(value).to_value() == value
    with pytest.raises(ValueError):
        Payload(data=b"{").to_value()


def test_a_payload_in_python_takes_bytes_only() -> None:
    wrong: list[Any] = ["text", bytearray(b"a"), [1], None]
    for data in wrong:
        with pytest.raises(TypeError):
            Payload(data)
    for members in ((b"a", "k", "c"), ("t", None, "c"), ("t", "k", 5)):
        with pytest.raises(TypeError):
            EncryptedPayload(*members)  # type: ignore[arg-type]
