"""Results of runs as data frames of polars. The columns are those of docs/results.md, whoever wrote the file."""

from .experiment import Experiment, read_experiment
from .original import read_original
from .schema import LOAD_SCHEMA, ResultsError
from .summary import summary

__all__ = ["LOAD_SCHEMA", "Experiment", "ResultsError", "read_experiment", "read_original", "summary"]
