"""The YAML head of a model card, by which the Hugging Face Hub finds and shows a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tutelage.config.network_name import is_own_network
from tutelage.core.headlines import Headline
from tutelage.core.import_path import is_import_path
from tutelage.run.run_record import RunRecord

_KNOWN = ("apache-2.0", "mit", "bsd-3-clause", "bsd-2-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "openrail")


def head_of(record: RunRecord, licenses: Mapping[str, str]) -> str:
    """The lines between two `---`, ended by the second one.

    Args:
        licenses: of the weights that the training started from, by network.
    """
    lines = [*_license(set(licenses.values())), "library_name: tutelage", f"pipeline_tag: {pipeline_tag(record)}"]
    lines += ["tags:", *(f"- {json.dumps(tag)}" for tag in _tags(record))]
    if record.scored:
        lines += [f"metrics:\n- {_metric(record.headline)}", *_results(record)]
    return "\n".join(["---", *lines, "---"])


def pipeline_tag(record: RunRecord) -> str:
    """The hub's name for what the model does."""
    if record.pretrained or not record.classes:
        return "image-feature-extraction"
    return "image-segmentation" if record.kind.name == "scans" else "image-classification"


def _license(licenses: set[str]) -> list[str]:
    """Of the weights that the training started from; that of weights from scratch is for their owner to say."""
    if not licenses:
        return []
    names = sorted(licenses)
    if len(names) == 1 and names[0].lower() in _KNOWN:
        return [f"license: {names[0].lower()}"]
    return ["license: other", f"license_name: {json.dumps(', '.join(names))}"]


def _tags(record: RunRecord) -> list[str]:
    words, network = ["tutelage"], record.cfg.network.name
    if not record.imported:
        unlabeled = "self-supervised-learning" if record.pretrained else "semi-supervised-learning"
        words.append(unlabeled if record.unlabeled else "supervised-learning")
        words += [] if is_import_path(record.method) else [record.method]
    return words + ([] if is_own_network(network) else [network])


def _metric(headline: Headline) -> str:
    return headline.key.replace("knn_accuracy", "accuracy")


def _results(record: RunRecord) -> list[str]:
    """The score as the hub lists it; a data set that is not published has no name there."""
    result: dict[str, Any] = {
        "task": {"type": pipeline_tag(record)},
        "dataset": {"name": "not published", "type": "private", "split": record.part},
        "metrics": [{"type": _metric(record.headline), "name": record.headline.words, "value": round(record.score, 4)}],
    }
    return ["model-index:", "- name: model", "  results:", f"  - {json.dumps(result)}"]
