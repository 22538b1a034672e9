"""The settings' names in the environment: a misspelt one is refused, or it would be a setting that isn't there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from aion_projectors import settings, shared_filling
from aion_store.errors import ConfigurationError

ENV_PREFIX: Final = "AION_STORE_"

_HANDED_DOWN: Final = frozenset({settings.ENVIRONMENT_VARIABLE, shared_filling.ENVIRONMENT_VARIABLE})
_SERVICE_LINK: Final = re.compile(
    ENV_PREFIX + r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_[A-Z]+(?:_[A-Z]+)?)?)"
)
"""What Kubernetes tells every container of a Service whose name begins with aion-store."""


def variable(field: str) -> str:
    """The name of a setting in the environment; there it may be in lower case as well."""
    return f"{ENV_PREFIX}{field.upper()}"


def file_variable(field: str) -> str:
    """The name of the file that holds a setting."""
    return f"{variable(field)}_FILE"


def check_names(names: Iterable[str], fields: Collection[str], from_files: Collection[str]) -> None:
    """Raises ConfigurationError for a name with the store's prefix that nothing reads."""
    settable = {variable(field) for field in fields}
    exact = {file_variable(field) for field in from_files}
    for name in names:
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX) or upper in settable or name in exact | _HANDED_DOWN:
            continue
        if not _SERVICE_LINK.fullmatch(name):
            known = {each.removeprefix(ENV_PREFIX): each for each in settable | exact}
            nearest = get_close_matches(upper.removeprefix(ENV_PREFIX), sorted(known), 1)
            advice = f"{known[nearest[0]]} is. Mend" if nearest else "docs/settings.md names all. Rename"
            raise ConfigurationError(f"{name} in the environment is no setting of the store; {advice} or unset it.")
