"""Settings of a store on Kafka and Postgres: from code, from the environment (`AION_STORE_…`), or from a URL.

Secrets (the Postgres password, Kafka credentials) are kept out of `repr` and of every error. `AION_STORE_<NAME>_FILE`
names a file that holds one: POSTGRES_DSN, POSTGRES_READ_DSN, POSTGRES_SHARDS or KAFKA (both as JSON).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from aion_service.audit.signed_note import VerifierKey
from aion_service.environment import ENV_PREFIX, check_names, file_variable, variable
from aion_service.shares import Share, check_address, parse_share
from aion_store.errors import ConfigurationError
from aion_store.kafka.client import ClientSettings
from aion_store.postgres.dsn import check_dsn

FROM_FILES: Final = ("postgres_dsn", "postgres_read_dsn", "postgres_shards", "kafka")
_JSON: Final = ("postgres_shards", "kafka")
"""The settings that hold secrets."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")

_NAMED: Final = re.compile(r"[\w., -]{1,100}")
"""What an error may repeat of a setting's name or an entry's: a text put where it doesn't belong may be a secret."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


def _checked(dsn: SecretStr) -> SecretStr:
    check_dsn(dsn.get_secret_value())
    return dsn


Dsn = Annotated[SecretStr, AfterValidator(_checked)]


class Settings(BaseSettings):
    """What a store needs to know. `bootstrap_servers` and `postgres_dsn` name the servers; the rest has defaults."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    scheme: ClassVar[str] = "kafka"

    bootstrap_servers: str | None = Field(default=None, min_length=1)
    """Kafka's addresses, `host:port`, comma-separated. Only a store that reads (`ownership=none`) does without, and
    without strong reads and subscriptions then."""
    postgres_dsn: Dsn | None = None
    """Postgres for the tables: a URL or key=value text, as libpq takes it. Only what asks the log alone does without:
    `audit`, `acls`, `grants`."""
    postgres_read_dsn: Dsn | None = None
    """Postgres for reads, a replica for example; None reads where the tables are written."""
    postgres_shards: dict[str, Dsn] = Field(default_factory=dict)
    """Events partitions whose tables are in other databases than `postgres_dsn`'s: `{"32-63": "postgresql://…"}`, with
    ranges as in `ownership`. `postgres_dsn` has the others and the packages. Fixed when the tables are made."""
    postgres_read_pooler: bool = False
    """Whether reads go through a pooler in transaction mode (PgBouncer): then nothing is prepared or listened to."""
    kafka: dict[str, SecretStr] = Field(default_factory=dict)
    """More of librdkafka's settings, above all its security: `{"security.protocol": "SASL_SSL", …}`."""
    topic_prefix: str = "aion"
    """The topics are `<prefix>.events` and `<prefix>.packages`."""
    archive: Path | None = None
    """The directory of an archive of the log's beginning, which Kafka may no longer hold: what reads the log from its
    beginning (rebuild, verify, refold, export, audit) begins there. Goes with `archive_key`."""
    archive_key: str | None = None
    """The key that the archive's note is signed with, as `audit key` printed it."""
    schema_name: str = "aion"
    """The Postgres schema that names the live tables; each generation of them has a schema of its own beside it."""
    partitions: int = Field(default=64, ge=1, le=10_000)
    """Partitions of the events topic; fixed when the topic is made."""
    read_timeout_s: Seconds = 10.0
    """How long a read waits for the tables to be fresh enough."""
    append_timeout_s: Seconds = 30.0
    """How long a write waits for its outcome."""
    session_cache_bytes: int = Field(default=64 * 1_024 * 1_024, ge=0)
    """Memory for histories that this process writes, kept decoded for `session` reads; 0 keeps none."""
    ownership: str = "all"
    """Which partitions this process writes: `all` (it is alone), `group` (the processes of the group
    `<prefix>.writers` share them), a fixed part such as `0-15,packages` (of two that have it the later one writes it),
    or `none` (it reads: opened from Postgres alone, and Kafka is asked once a strong read or a subscription needs
    it)."""
    advertised_address: str | None = None
    """`host:port` where others reach this process; NotOwnerError names it. A member of the group needs one."""
    writer_session_timeout_s: Annotated[float, Field(ge=1, le=1_800)] = 10.0
    """In the group: how long a process may be silent before others take its partitions over; give all of them the same.
    With Kafka's newer group protocol the broker has to allow it (`group.consumer.min.session.timeout.ms`, 45 s unless
    changed), or its own time-out holds."""

    @field_validator("schema_name")
    @classmethod
    def _schema(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("a schema is a lower-case letter, then at most 39 of a-z 0-9 _")
        return value

    @field_validator("topic_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError("a topic prefix is 1 to 100 of A-Z a-z 0-9 . _ -")
        return value

    @field_validator("bootstrap_servers")
    @classmethod
    def _servers(cls, value: str | None) -> str | None:
        if value is not None and "@" in value:
            raise ValueError("Kafka's addresses are host:port and have no user; log-ins are among Kafka's settings")
        return value

    @field_validator("archive_key")
    @classmethod
    def _key(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return str(VerifierKey.parse(value.strip()))
        except ConfigurationError as error:
            raise ValueError(error.reason) from None

    @field_validator("advertised_address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            check_address(value)
        return value

    @model_validator(mode="after")
    def _ownership(self) -> Self:
        if self.bootstrap_servers is None and not self.read_only:
            raise ValueError("bootstrap_servers: Field required, but for a store that only reads (ownership=none)")
        if self.share == "group" and self.advertised_address is None:
            raise ValueError("ownership=group needs advertised_address, host:port where the others reach this process")
        return self

    @model_validator(mode="after")
    def _archive(self) -> Self:
        if (self.archive is None) != (self.archive_key is None):
            raise ValueError(
                "archive and archive_key go together: a directory, and the key that its note is signed with"
            )
        return self

    @model_validator(mode="after")
    def _shards(self) -> Self:
        if not self.postgres_shards:
            return self
        if self.postgres_dsn is None or self.postgres_read_dsn is not None:
            raise ValueError("postgres_shards stand beside a postgres_dsn, and without a postgres_read_dsn")
        shards = [self._partitions_in(text) for text in self.postgres_shards]
        if sum(map(len, shards)) > len(frozenset[int]().union(*shards)):
            raise ValueError("postgres_shards name a partition twice: each is in one database")
        dsns = [self.postgres_dsn, *self.postgres_shards.values()]
        if len({dsn.get_secret_value() for dsn in dsns}) < len(dsns):
            raise ValueError("postgres_shards name a database twice: give it all of its partitions in one entry")
        return self

    def _partitions_in(self, text: str) -> frozenset[int]:
        if not _NAMED.fullmatch(text):
            raise ValueError("postgres_shards: a shard is partitions of the events such as 32-63, and a DSN for it")
        try:
            share = parse_share(text, self.partitions)
        except ValueError as error:
            raise ValueError(f"postgres_shards: {str(error).replace('ownership', 'a shard')}") from None
        if isinstance(share, str) or not share or any(place.log != "events" for place in share):
            raise ValueError(f"postgres_shards: a shard is partitions of the events such as 32-63, not {text!r}")
        return frozenset(place.partition for place in share)

    @property
    def shards(self) -> dict[str, frozenset[int]]:
        """The DSNs beside `write_dsn`, secrets opened, and the partitions that each holds."""
        return {dsn.get_secret_value(): self._partitions_in(text) for text, dsn in self.postgres_shards.items()}

    @property
    def share(self) -> Share:
        """Which partitions this process writes, as a value."""
        return parse_share(self.ownership, self.partitions)

    @property
    def read_only(self) -> bool:
        """Whether this process writes nothing."""
        return not self.share

    @property
    def events_topic(self) -> str:
        """The topic of events and timers."""
        return f"{self.topic_prefix}.events"

    @property
    def packages_topic(self) -> str:
        """The topic of packages and routes."""
        return f"{self.topic_prefix}.packages"

    @property
    def projector_group(self) -> str:
        """The consumer group whose members share the projection."""
        return f"{self.topic_prefix}.projectors.{self.schema_name}"

    @property
    def client(self) -> ClientSettings:
        """librdkafka's settings, secrets opened. Raises ConfigurationError when no Kafka is named."""
        if self.bootstrap_servers is None:
            raise ConfigurationError(
                "The store's settings name no Kafka, which a strong read, a subscription and the lag need: give "
                "AION_STORE_BOOTSTRAP_SERVERS (or kafka://host:port), or read with eventual or a consistency token."
            )
        extra = {name: value.get_secret_value() for name, value in self.kafka.items()}
        return {"bootstrap.servers": self.bootstrap_servers, **extra}

    @property
    def write_dsn(self) -> str:
        """The DSN of the tables, secrets opened. Raises ConfigurationError when there is none."""
        return self._opened(self.postgres_dsn)

    @property
    def read_dsn(self) -> str:
        """The DSN that reads go to, secrets opened. Raises as `write_dsn`."""
        return self._opened(self.postgres_read_dsn or self.postgres_dsn)

    @staticmethod
    def _opened(dsn: SecretStr | None) -> str:
        if dsn is None:
            raise ConfigurationError(
                "The store's settings name no Postgres (postgres_dsn: Field required). Give AION_STORE_POSTGRES_DSN, "
                "or AION_STORE_POSTGRES_DSN_FILE with the file that holds it."
            )
        return dsn.get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Code first, then the environment, then the files that it names. Raises as `check_names` does."""
        check_names(os.environ, settings_cls.model_fields, FROM_FILES)
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @classmethod
    def load(cls, values: Mapping[str, Any] | None = None) -> Self:
        """Settings from values and, for what they leave out, the environment. Raises ConfigurationError."""
        try:
            return cls(**(values or {}))
        except ValidationError as error:
            raise ConfigurationError(_what_is_wrong(error)) from None  # the cause shows what was given
        except SettingsError as error:
            objects = " and ".join(map(variable, _JSON))
            raise ConfigurationError(f"{error}: {objects} are a JSON object of texts each.") from None

    @classmethod
    def from_url(cls, url: str, **fixed: Any) -> Self:
        """Settings from `kafka://host:port,host:port?postgres_dsn=…&topic_prefix=…`; the environment fills the rest.

        What is `fixed` holds whatever the URL says.
        """
        parts = urlsplit(url)
        values: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.netloc:
            values["bootstrap_servers"] = parts.netloc
        if parts.path.strip("/"):
            raise ConfigurationError(
                "The store's URL has a path (it isn't repeated here), but takes none: write "
                "kafka://host:port?topic_prefix=NAME."
            )
        return cls.load(values | fixed)


class _SecretFiles(PydanticBaseSettingsSource):
    """Settings in files that the environment names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The file's content without the line's end; None where no file is named. Raises ConfigurationError."""
        name, file_name = variable(field_name), file_variable(field_name)
        named = os.environ.get(file_name) if field_name in FROM_FILES else None
        if named is None:
            return None, field_name, False
        if name in os.environ:
            raise ConfigurationError(f"Both {name} and {file_name} are set: leave one of them out.")
        try:
            text = Path(named).read_text().rstrip("\r\n")
            return json.loads(text) if field_name in _JSON else text, field_name, False
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) else "it isn't JSON, or not UTF-8"
            raise ConfigurationError(f"{file_name} names a file that can't be used: {what}.") from None

    def __call__(self) -> dict[str, Any]:
        """What the files say."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _what_is_wrong(error: ValidationError) -> str:
    faults = [
        ": ".join(filter(None, (".".join(map(_named, fault["loc"])), fault["msg"])))
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return (
        f"The store's settings are incomplete or wrong ({'; '.join(faults)}). "
        "Give them as AION_STORE_<NAME> in the environment, in Settings(…), or in the kafka:// URL."
    )


def _named(part: str | int) -> str:
    return str(part) if _NAMED.fullmatch(str(part)) else "…"
