"""Records of notebook 04_generate_synthetic, which sampled, labelled and measured pairs until it became three.

What it wrote lies where 04a and 04b write today, with the same content; its measurements of a pool, today the products
of 04c, lie beside the pairs.
"""

from collections.abc import Mapping
from typing import Any

FORMER_NOTEBOOK = "04_generate_synthetic"


def notebooks_of(record: Mapping[str, Any]) -> list[str]:
    """The notebooks of today whose work a record is about: one, but two for a pool that was measured at once."""
    if record["notebook"] != FORMER_NOTEBOOK:
        return [record["notebook"]]
    if record["parameters"]["labeller"]:
        return ["04b_label_pairs"]
    return ["04a_sample_pairs", *(["04c_audit_pairs"] if was_audited(record) else [])]


def parameters_of(record: Mapping[str, Any], names: Mapping[str, object]) -> dict[str, Any]:
    """The recorded parameters, of a former notebook those alone that today's notebook has among its ``names``."""
    recorded = record["parameters"]
    if record["notebook"] != FORMER_NOTEBOOK:
        return recorded
    return {name: value for name, value in recorded.items() if name in names}


def was_audited(record: Mapping[str, Any]) -> bool:
    """Whether a pool was measured when it was sampled, so that its audit is not missing."""
    return record["notebook"] == FORMER_NOTEBOOK and "memorisation.json" in record["products"]
