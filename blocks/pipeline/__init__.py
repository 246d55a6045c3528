"""The pydantic model of pipeline.yaml; errors name the path and the line."""

from blocks.pipeline.durations import format_duration
from blocks.pipeline.environments import Environment, Policy, ReleaseDescription
from blocks.pipeline.gates import Freeze, Gates, Hotfix
from blocks.pipeline.load import load_pipeline
from blocks.pipeline.model import COMPOSE_DEFAULTS, Pipeline
from blocks.pipeline.problems import PipelineError, Problem
from blocks.pipeline.protection import BranchProtect, EnvironmentProtect, Protect, Relax
from blocks.pipeline.pull_requests import AutoMergeRule, OpenRule, PullRequests
from blocks.pipeline.sections import Approvals, Backup, Build, DatabaseRules, Migration, Timeouts
from blocks.pipeline.show import Show
from blocks.pipeline.smoke import Check, CommandCheck, HttpCheck, TcpCheck
from blocks.pipeline.triggers import Triggers

__all__ = [
    "COMPOSE_DEFAULTS",
    "Approvals",
    "AutoMergeRule",
    "Backup",
    "BranchProtect",
    "Build",
    "Check",
    "CommandCheck",
    "DatabaseRules",
    "Environment",
    "EnvironmentProtect",
    "Freeze",
    "Gates",
    "Hotfix",
    "HttpCheck",
    "Migration",
    "OpenRule",
    "Pipeline",
    "PipelineError",
    "Policy",
    "Problem",
    "Protect",
    "PullRequests",
    "Relax",
    "ReleaseDescription",
    "Show",
    "TcpCheck",
    "Timeouts",
    "Triggers",
    "format_duration",
    "load_pipeline",
]
