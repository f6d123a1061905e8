"""The linearizability deciders: pure functions over the operations of one key, exact or honestly undecided."""

from scenarios.checks.linear.intervals import CONCURRENT_SHARE, concurrent
from scenarios.checks.linear.judging import KeyVerdict, Question, judge_key, judge_keys
from scenarios.checks.linear.models import MODELS
from scenarios.checks.linear.search import Budget

__all__ = ["CONCURRENT_SHARE", "MODELS", "Budget", "KeyVerdict", "Question", "concurrent", "judge_key", "judge_keys"]
