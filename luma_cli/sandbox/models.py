"""The models that the sandbox knows: their addresses, prices, and how each family names a prompt and a clip.

From the vendor's OpenAPI pages (August 2026); prices from clients' tables, since the vendor documents none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Family:
    """Models that share addresses and shapes; `video` is the field of the clip's address."""

    name: str
    submit_path: str
    record_path: str
    video: str
    unknown_task: str

    def edit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a submission that says what to edit."""
        found = params.get("input") if self.name == "jobs" else params
        return dict(found) if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Model:
    """One model; `code` is what `createTask` calls it. A price holds for an edit, or for each second of the clip."""

    name: str
    code: str
    family: Family
    price: float
    is_per_second: bool = False
    price_at_1080p: float | None = None


_LUMA = Family("luma", "/api/v1/modify/generate", "/api/v1/modify/record-info", "videoUrl", "recordInfo is null")
_ALEPH = Family("aleph", "/api/v1/aleph/generate", "/api/v1/aleph/record-info", "videoUrl", "The record does not exist")
_JOBS = Family("jobs", "/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo", "video_url", "recordInfo is null")

LUMA = Model("luma", "luma", _LUMA, 100.0)
MODELS = (
    LUMA,
    Model("aleph", "aleph", _ALEPH, 110.0),
    Model("wan-2.7-edit", "wan/2-7-videoedit", _JOBS, 100.0),
    Model("happyhorse", "happyhorse/video-edit", _JOBS, 28.0, is_per_second=True, price_at_1080p=48.0),
)
MODEL_NAMES = tuple(model.name for model in MODELS)
FAMILIES = (_LUMA, _ALEPH, _JOBS)
SUBMIT_PATHS = frozenset(family.submit_path for family in FAMILIES)
DEFAULT_SECONDS = 5.0


def find_model(family: Family, params: Mapping[str, Any]) -> Model | None:
    """The model that a submission is for; None if `createTask` names one that is not there."""
    named = [model for model in MODELS if model.family is family]
    if len(named) == 1:
        return named[0]
    return next((model for model in named if model.code == params.get("model")), None)


def read_prices(given: Mapping[str, float] | None) -> dict[str, float]:
    """Prices by the model's name; `given` may call a model by either name.

    Raises:
        ValueError: there is no such model.
    """
    prices = {}
    for name, price in (given or {}).items():
        model = next((model for model in MODELS if name in (model.name, model.code)), None)
        if model is None:
            raise ValueError(f"no model {name[:40]!a}; models: {' '.join(MODEL_NAMES)}")
        prices[model.name] = float(price)
    return prices


def price_of(model: Model, edit: Mapping[str, Any], seconds: float | None, prices: Mapping[str, float]) -> float:
    """What an edit costs, in credits; a clip of unknown length counts as five seconds."""
    price = prices.get(model.name, model.price)
    if model.price_at_1080p is not None and edit.get("resolution") == "1080p":
        price *= model.price_at_1080p / model.price
    return round(price * (seconds or DEFAULT_SECONDS) if model.is_per_second else price, 4)
