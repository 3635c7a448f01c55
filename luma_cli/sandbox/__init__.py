"""A local mock of the service on loopback, for users' scripts, CI and our own tests.

It imports nothing of luma's own, so that it cannot share its mistakes, and it talks to no host but loopback.
"""

from luma_cli.sandbox.handler import Request
from luma_cli.sandbox.models import MODELS
from luma_cli.sandbox.realistic import FfmpegMissing
from luma_cli.sandbox.scenarios import SCENARIOS
from luma_cli.sandbox.server import Sandbox

__all__ = ["MODELS", "SCENARIOS", "FfmpegMissing", "Request", "Sandbox"]
