"""What a projector worker needs to know, and its JSON form for the process that starts one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aion_store.errors import ConfigurationError
from aion_store.log.codec import first_fault
from aion_store.postgres.dsn import check_dsn
from aion_store.postgres.shards import Shards, mapped

ENVIRONMENT_VARIABLE: Final = "AION_STORE_PROJECTOR"
"""Where `python -m aion_projectors.worker` finds its settings, as the JSON of ProjectorSettings."""

BOOTSTRAP_SERVERS: Final = "bootstrap.servers"

Dsn = Annotated[str, AfterValidator(check_dsn)]


class ShardSettings(BaseModel):
    """A database and the events partitions that it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    partitions: frozenset[int]
    dsn: Dsn = Field(repr=False)


class ProjectorSettings(BaseModel):
    """One log, one set of tables, one group of workers that share the partitions.

    `kafka` are librdkafka's own settings, of which `bootstrap.servers` (host:port, comma-separated) must be there.
    `dsn` is the database of the packages and of all partitions that `shards` names no other for.
    `schema_name` is the control schema; its tables must have been made (`aion_store.postgres.migrate`).
    Workers with the same `group_id` share the partitions. What may hold a secret is kept out of `repr`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka: Mapping[str, str | int | float | bool] = Field(repr=False)
    events_topic: str
    packages_topic: str
    dsn: Dsn = Field(repr=False)
    schema_name: str
    group_id: str
    shards: tuple[ShardSettings, ...] = ()

    @property
    def dsns(self) -> Shards[str]:
        """The databases' DSNs, by partition."""
        return mapped(self.dsn, {shard.dsn: shard.partitions for shard in self.shards})

    @property
    def bootstrap_servers(self) -> list[str]:
        """The brokers to begin with, host:port each. Raises ConfigurationError without any."""
        servers = [server.strip() for server in str(self.kafka.get(BOOTSTRAP_SERVERS, "")).split(",")]
        if not all(servers):
            raise ConfigurationError(
                f"The projector's settings name no Kafka: {BOOTSTRAP_SERVERS} is missing or empty. Give host:port, ..."
            )
        return servers

    @classmethod
    def from_json(cls, text: str) -> ProjectorSettings:
        """The settings from their JSON form. Raises ConfigurationError when something is missing or unknown."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ConfigurationError(
                f"The projector's settings can't be used: {first_fault(error)}. They are JSON in the environment "
                f"variable {ENVIRONMENT_VARIABLE}, with the fields {', '.join(cls.model_fields)}."
            ) from None

    def to_json(self) -> str:
        """The JSON form."""
        return self.model_dump_json()
