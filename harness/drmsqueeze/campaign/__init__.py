# SPDX-License-Identifier: MIT
"""`drmsqueeze selftest --kills N`: nights in which something is killed, and what must be true afterwards (docs/campaign.md)."""
