"""The models that the sandbox knows, one file of `catalogue/` each, and the families whose addresses they share.

From the vendor's OpenAPI pages (August 2026); prices from clients' tables, since the vendor documents none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CATALOGUE = Path(__file__).with_name("catalogue")
DEFAULT_SECONDS = 5.0


@dataclass(frozen=True)
class Family:
    """Models that share addresses and shapes."""

    name: str
    submit_path: str
    record_path: str
    unknown_task: str

    def edit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a submission that says what to edit."""
        found = params.get("input") if self.name == "jobs" else params
        return dict(found) if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Model:
    """One model; `code` is what `createTask` calls it, `clip` the field of the clip's address.

    `fields` are its other fields, each with what it takes (see `validation`), `example` is a whole submission. A price
    holds for an edit, or for each second of the clip. `seconds_used`: of a longer clip it edits only the beginning.
    """

    name: str
    code: str
    family: Family
    clip: str
    price: float
    fields: Mapping[str, Any] = field(hash=False)
    example: Mapping[str, Any] = field(hash=False)
    is_per_second: bool = False
    price_at_1080p: float | None = None
    seconds_used: float | None = None


FAMILIES = {
    family.name: family
    for family in (
        Family("luma", "/api/v1/modify/generate", "/api/v1/modify/record-info", "recordInfo is null"),
        Family("aleph", "/api/v1/aleph/generate", "/api/v1/aleph/record-info", "The record does not exist"),
        Family("jobs", "/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo", "recordInfo is null"),
    )
}
SUBMIT_PATHS = frozenset(family.submit_path for family in FAMILIES.values())


def _load(path: Path) -> Model:
    facts = json.loads(path.read_text(encoding="utf-8"))
    return Model(path.stem, **{**facts, "family": FAMILIES[facts["family"]]})


MODELS = {path.stem: _load(path) for path in sorted(CATALOGUE.glob("*.json"))}
LUMA = MODELS["luma"]


def find_model(family: Family, params: Mapping[str, Any]) -> Model | None:
    """The model that a submission is for; None if `createTask` names one that is not there."""
    named = [model for model in MODELS.values() if model.family is family]
    if len(named) == 1:
        return named[0]
    return next((model for model in named if model.code == params.get("model")), None)


def price_of(model: Model, edit: Mapping[str, Any], seconds: float | None, prices: Mapping[str, float]) -> float:
    """What an edit costs, in credits; `prices` may call a model by either name.

    A clip of unknown length counts as five seconds.
    """
    price = prices.get(model.name, prices.get(model.code, model.price))
    if model.price_at_1080p is not None and edit.get("resolution") == "1080p":
        price *= model.price_at_1080p / model.price
    return round(price * (seconds or DEFAULT_SECONDS) if model.is_per_second else price, 4)
