# SPDX-License-Identifier: MIT
"""One root exception, and one subclass for each decision that a caller has to take."""


class ResultsError(Exception):
    """A run or comparison directory that cannot be judged; the message names the file."""


class BadRunDirectory(ResultsError):
    """The facts of a run are missing, unreadable or not in their format. There is no verdict to give."""


class BadComparison(ResultsError):
    """The plan of a comparison is missing or not in its format, or a run contradicts it."""
