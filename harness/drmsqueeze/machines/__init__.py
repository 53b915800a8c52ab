# SPDX-License-Identifier: MIT
"""Where runs happen: one file for each kind of machine."""
