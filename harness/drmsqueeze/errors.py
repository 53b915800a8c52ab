# SPDX-License-Identifier: MIT
"""One root exception, and one subclass for each decision that a caller has to take."""

import errno


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What a write says where results cannot be kept (errno): nothing that is true of a machine under test may be concluded then."""


class DrmsqueezeError(Exception):
    """Something that the user must hear of as one clear message, with no traceback."""

    exit_code = 3


class UsageError(DrmsqueezeError):
    """Bad usage or a bad scenario: nothing was started, nothing was changed."""

    exit_code = 2


class InfrastructureError(DrmsqueezeError):
    """The test itself could not do its work: a build, a boot or the machine failed."""


class Unsupported(DrmsqueezeError):
    """The target lacks something that the scenario needs; becomes a skip with this code and sentence."""

    exit_code = 77

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
