"""What differs between kie.ai's edit models, as data: one row each.

Sources: vendor's OpenAPI pages (2026-08-19) and public clients of the platform (March to October 2026).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a model takes. Seconds, bytes and pixels; None where nothing is documented.

    `doubtful_bytes`: above it a link may fail upstream. `languages`: the prompt's, as ISO 639-1 codes.
    """

    max_seconds: float
    min_seconds: float = 1.0
    max_link_bytes: int = 500 * 10**6
    max_upload_bytes: int = 100 * 10**6
    doubtful_bytes: int | None = 100 * 10**6
    min_side: int | None = None
    max_side: int | None = None
    min_frame_rate: float | None = None
    max_prompt: int | None = None
    languages: tuple[str, ...] | None = None
    containers: tuple[str, ...] = ("mp4", "mov", "avi")


@dataclass(frozen=True)
class Model:
    """One edit model: the name that users type, and what the service wants for it."""

    name: str
    limits: Limits


LUMA = Model("luma", Limits(max_seconds=10.0, languages=("en",)))
MODELS = {model.name: model for model in (LUMA,)}
