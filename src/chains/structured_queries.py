"""What a model says about metadata, in LangChain's structured queries, as a filter of ours."""

from collections.abc import Mapping
from typing import Any

from langchain_core.structured_query import Comparator, Comparison, Operation, Operator, StructuredQuery, Visitor

from ..errors import FilterError

_COMPARATORS: Mapping[Comparator, str] = {
    Comparator.EQ: "$eq",
    Comparator.NE: "$ne",
    Comparator.GT: "$gt",
    Comparator.GTE: "$gte",
    Comparator.LT: "$lt",
    Comparator.LTE: "$lte",
    Comparator.IN: "$in",
    Comparator.NIN: "$nin",
    Comparator.CONTAIN: "$contains",
    Comparator.LIKE: "$like",
}
_LISTS = frozenset({Comparator.IN, Comparator.NIN})
# What the parser of langchain-classic makes of a date, by its ``type``.
_DATES = ("date", "datetime")


class FilterTranslator(Visitor):
    """Translates for `SelfQueryRetriever`: ``structured_query_translator=FilterTranslator()``.

    Values are values, whatever marks are in them; dates are ISO text, as the store keeps them; an attribute may lead
    into a nested dict by dots. ``like`` without ``%`` finds texts that have the value in them.
    """

    allowed_comparators = tuple(_COMPARATORS)
    allowed_operators = (Operator.AND, Operator.OR, Operator.NOT)

    def visit_operation(self, operation: Operation) -> dict[str, Any]:
        """A combination of filters.

        Raises:
            FilterError: Something else than one filter is denied.
        """
        parts = [argument.accept(self) for argument in operation.arguments]
        if operation.operator is not Operator.NOT:
            return {f"${operation.operator.value}": parts}
        if len(parts) != 1:
            raise FilterError(f"not() is of one filter, not of {len(parts)}.")
        return {"$not": parts[0]}

    def visit_comparison(self, comparison: Comparison) -> dict[str, Any]:
        """What one metadata key is to be.

        Raises:
            FilterError: A later LangChain has comparators that are not known here.
        """
        if comparison.comparator not in _COMPARATORS:
            known = ", ".join(known.value for known in _COMPARATORS)
            raise FilterError(f"A filter cannot say {comparison.comparator.value!r}, but {known}.")
        value = _value(comparison.value)
        if comparison.comparator in _LISTS and not isinstance(value, list):
            value = [value]
        if comparison.comparator is Comparator.LIKE and "%" not in str(value):
            value = f"%{str(value).replace(chr(92), chr(92) * 2).replace('_', chr(92) + '_')}%"
        return {comparison.attribute: {_COMPARATORS[comparison.comparator]: value}}

    def visit_structured_query(self, structured_query: StructuredQuery) -> tuple[str, dict[str, Any]]:
        """The question to search for, and the arguments of the search."""
        if structured_query.filter is None:
            return structured_query.query, {}
        return structured_query.query, {"filter": structured_query.filter.accept(self)}


def _value(given: Any) -> Any:
    if isinstance(given, Mapping) and given.get("type") in _DATES:
        return str(given[given["type"]])
    return [_value(one) for one in given] if isinstance(given, list | tuple) else given
