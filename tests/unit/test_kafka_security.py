"""librdkafka's security settings become the ones of Faust's client, or are refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from aion_projectors.kafka_security import KafkaSecurity, Login, kafka_security
from aion_store.errors import ConfigurationError

SASL = {"security.protocol": "SASL_PLAINTEXT", "sasl.username": "projector", "sasl.password": "secret"}
AUTHORITY = """-----BEGIN CERTIFICATE-----
MIIBozCCAUmgAwIBAgIUb9jfUYs2Fhi33quVhBz1kZlXdaIwCgYIKoZIzj0EAwIw
JjEkMCIGA1UEAwwbYW4gYXV0aG9yaXR5IG9mIHRoZXNlIHRlc3RzMCAXDTI2MTEy
NDEzMTI0NFoYDzIxMjYxMDMxMTMxMjQ0WjAmMSQwIgYDVQQDDBthbiBhdXRob3Jp
dHkgb2YgdGhlc2UgdGVzdHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQJXik+
pnwY70fF9MiUA5hc8ozX+FgzWrTfE15kVgQzhvVMdX/ObXW9x1O5Pe0/tdWtbqgw
u+xvxXa/kCjafiDgo1MwUTAdBgNVHQ4EFgQUR5SwE1RClGsEDUUs3HPm/QWmznUw
HwYDVR0jBBgwFoAUR5SwE1RClGsEDUUs3HPm/QWmznUwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiAaa2NJ6e/JV1se6hJ1lpBmxR6Zg9a6SCyhdebn
mhSpKwIhAN0od4i4xN7ltUkm1kg/+9wF/z/cujhyhLYiEXj0+Txi
-----END CERTIFICATE-----
"""


def test_without_a_protocol_nothing_is_secured() -> None:
    assert kafka_security({"bootstrap.servers": "a:1"}) == KafkaSecurity()


@pytest.mark.parametrize("name", ["sasl.mechanism", "sasl.mechanisms"])
def test_a_login_is_passed_on_and_its_password_stays_out_of_texts(name: str) -> None:
    found = kafka_security({**SASL, name: "SCRAM-SHA-512"})
    assert found == KafkaSecurity(login=Login("SCRAM-SHA-512", "projector", "secret"))
    assert "secret" not in repr(found)


def test_tls_trusts_the_system_or_the_authority_that_is_named_and_checks_the_host() -> None:
    tls = kafka_security({"security.protocol": "ssl"}).tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    named = kafka_security(
        {**SASL, "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "ssl.ca.pem": AUTHORITY}
    )
    assert named.tls is not None
    assert named.login is not None
    assert len(named.tls.get_ca_certs()) == 1


def test_what_is_not_to_be_checked_is_not() -> None:
    loose = kafka_security({"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"}).tls
    blind = kafka_security({"security.protocol": "ssl", "enable.ssl.certificate.verification": False}).tls
    assert loose is not None
    assert blind is not None
    assert (loose.verify_mode, loose.check_hostname) == (ssl.CERT_REQUIRED, False)
    assert (blind.verify_mode, blind.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"security.protocol": "tls"}, r"security\.protocol"),
        ({**SASL}, r"sasl\.mechanisms"),
        ({**SASL, "sasl.mechanism": "OAUTHBEARER"}, r"sasl\.mechanism "),
        ({**SASL, "sasl.mechanism": "PLAIN", "sasl.password": ""}, "sasl.password"),
        ({**SASL, "sasl.mechanism": "PLAIN", "sasl.kerberos.keytab": "k"}, "sasl.kerberos.keytab"),
        ({"security.protocol": "ssl", "ssl.keystore.location": "k"}, "ssl.keystore.location"),
        ({"security.protocol": "ssl", "ssl.ca.location": "/nowhere/ca.pem"}, "ssl.ca.location"),
        ({"security.protocol": "ssl", "ssl.ca.pem": "not a certificate"}, "can't be used"),
    ],
)
def test_what_cannot_be_done_alike_is_refused_by_name(settings: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        kafka_security(settings)


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "client.pem"
    broken.write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"ssl\.certificate\.location"):
        kafka_security({"security.protocol": "ssl", "ssl.certificate.location": str(broken)})
