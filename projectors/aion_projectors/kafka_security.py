"""librdkafka's security settings as a client in Python takes them: the protocol, a TLS context, a SASL log-in.

The writers and readers hand their settings to librdkafka as they are; Faust's client knows none of its names. What it
can't do is refused: a worker that left a setting out would connect in another way than the store does.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from aion_store.errors import ConfigurationError

Mechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Settings: TypeAlias = Mapping[str, str | int | float | bool]

_PROTOCOLS: Final = {
    "plaintext": (False, False),
    "ssl": (True, False),
    "sasl_plaintext": (False, True),
    "sasl_ssl": (True, True),
}
"""Of each protocol, whether it has TLS and SASL."""
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_SSL: Final = frozenset(
    {
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)
_SASL: Final = frozenset({"sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"})
_SYSTEM_CA: Final = "probe"
"""librdkafka's word for the certificates that the system trusts, which is also what no setting means."""


@dataclass(frozen=True, slots=True)
class Login:
    """A SASL log-in."""

    mechanism: Mechanism
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How to connect: with TLS where there is a context, with SASL where there is a log-in."""

    tls: ssl.SSLContext | None = None
    login: Login | None = None


def kafka_security(settings: Settings) -> KafkaSecurity:
    """The security of librdkafka's settings. Raises ConfigurationError for what Faust's client can't do alike."""
    protocol = _text(settings, "security.protocol", "plaintext").lower()
    if protocol not in _PROTOCOLS:
        raise _refused("security.protocol", f"one of {', '.join(_PROTOCOLS)}")
    has_tls, has_sasl = _PROTOCOLS[protocol]
    for name in settings:
        if name.startswith(("ssl.", "sasl.")) and name not in _SSL | _SASL:
            raise ConfigurationError(
                f"The projector can't use Kafka's setting {name}. Its client takes {', '.join(sorted(_SSL | _SASL))}."
            )
    return KafkaSecurity(_tls(settings) if has_tls else None, _login(settings) if has_sasl else None)


def _login(settings: Settings) -> Login:
    name = "sasl.mechanism" if "sasl.mechanism" in settings else "sasl.mechanisms"
    mechanism = _text(settings, name, "GSSAPI").upper()
    if mechanism not in _MECHANISMS:
        raise _refused(name, f"one of {', '.join(_MECHANISMS)}")
    username, password = _text(settings, "sasl.username"), _text(settings, "sasl.password")
    if not username or not password:
        raise ConfigurationError(f"SASL's mechanism {mechanism} needs sasl.username and sasl.password: give both.")
    return Login(mechanism, username, password)


def _tls(settings: Settings) -> ssl.SSLContext:
    ca, pem = _text(settings, "ssl.ca.location"), _text(settings, "ssl.ca.pem")
    certificate, key = _text(settings, "ssl.certificate.location"), _text(settings, "ssl.key.location")
    try:
        context = ssl.create_default_context()
        if (ca and ca != _SYSTEM_CA) or pem:  # then no others are trusted
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cafile=ca or None, cadata=pem or None)
        if certificate:
            context.load_cert_chain(certificate, key or None, lambda: _text(settings, "ssl.key.password"))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            "Kafka's ssl.ca.location, ssl.ca.pem, ssl.certificate.location or ssl.key.location can't be used: "
            f"{error}. Name PEM files that this process can read."
        ) from error
    if _text(settings, "ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    if _text(settings, "enable.ssl.certificate.verification", "true").lower() in ("false", "0", "f"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _text(settings: Settings, name: str, default: str = "") -> str:
    return str(settings.get(name, default))


def _refused(name: str, wanted: str) -> ConfigurationError:
    return ConfigurationError(f"The projector can't use what Kafka's setting {name} says: its client takes {wanted}.")
