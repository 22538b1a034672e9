"""What the arguments of a list or a count come to: checked, parsed, and as every store needs them."""

from __future__ import annotations

from typing import Final, NamedTuple

from aion_store.errors import LimitExceededError
from aion_store.limits import MAX_LISTED_PER_PAGE
from aion_store.visibility.cursors import Place, decode_cursor
from aion_store.visibility.errors import FilterError
from aion_store.visibility.filters import Filter, Order
from aion_store.visibility.listing import CountedBy
from aion_store.visibility.parsing import parse_filter
from aion_store.visibility.resolving import check_nesting

NEWEST_FIRST: Final = Order()


class ListRequest(NamedTuple):
    """A page that is asked for: what it has to match, how it is sorted, how many, and what it follows."""

    filter: Filter | None
    order: Order
    limit: int
    after: Place | None


def list_request(wanted: object, order: object, limit: object, cursor: str | None) -> ListRequest:
    """The page that these arguments of `list` ask for.

    Raises FilterError, CursorError, LimitExceededError; TypeError and ValueError for arguments of another kind.
    """
    given = None if order is None else _checked_order(order)
    if type(limit) is not int:
        raise TypeError(f"a limit is an int, not {type(limit).__name__}")
    if limit < 1:
        raise ValueError(f"a page holds at least one, this is {limit}")
    if limit > MAX_LISTED_PER_PAGE:
        raise LimitExceededError("workflows per page", MAX_LISTED_PER_PAGE, limit)
    parsed, parsed_order = _filter_of(wanted)
    if parsed_order is not None and given is not None:
        raise FilterError("The order is given twice, in the text and as an argument")
    sorted_by = parsed_order or given or NEWEST_FIRST
    check_nesting(parsed)  # a cursor is checked against all of the filter's text
    after = None if cursor is None else decode_cursor(cursor, parsed, sorted_by)
    return ListRequest(parsed, sorted_by, limit, after)


def _checked_order(order: object) -> Order:
    if not isinstance(order, Order):
        raise TypeError(f"order is an Order, not {type(order).__name__}")
    if order.by not in ("StartedAt", "WorkflowId"):
        raise FilterError(f"A list is ordered by StartedAt or WorkflowId, not by {str(order.by)[:60]!r}")
    if type(order.descending) is not bool:
        raise FilterError(f"An order's descending is a bool, not {type(order.descending).__name__}")
    return order


def counted_filter(wanted: object) -> Filter | None:
    """The filter of a count. Raises FilterError for one with an order."""
    parsed, order = _filter_of(wanted)
    if order is not None:
        raise FilterError("A count has no order")
    return parsed


def checked_by(by: object) -> CountedBy:
    """What to count by. Raises ValueError for anything that isn't counted by."""
    if by == "Status":
        return "Status"
    if by == "WorkflowType":
        return "WorkflowType"
    raise ValueError(f"counts are kept by 'Status' and by 'WorkflowType', not by {by!r}")


def _filter_of(wanted: object) -> tuple[Filter | None, Order | None]:
    if wanted is None or isinstance(wanted, Filter):
        return wanted, None
    if isinstance(wanted, str):
        return parse_filter(wanted)
    raise TypeError(f"a filter is a Filter or its text, not {type(wanted).__name__}")
