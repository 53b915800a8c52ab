# SPDX-License-Identifier: MIT
"""From run directories to verdicts: outcomes, findings, statistics, comparisons and reports.

Reads only directories, so that an old run can be judged again by newer code.
"""
