# SPDX-License-Identifier: MIT
"""Whether something that happens by chance happens often enough, found out with few trials.

The test is Wald's sequential probability ratio test ("Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16,
1945): after each trial the likelihood of what was seen under the rate that is wanted is divided by that under the floor. It is the test
with the fewest trials on average for its errors, and most candidates of a minimisation are clear cases. Its bounds are 1/alpha and beta
and not Wald's own approximations (1-beta)/alpha and beta/(1-alpha): with them the errors are never above what is stated (Ville's
inequality), and to end early, at the most trials, can only make a false acceptance rarer.
"""

import math
from dataclasses import dataclass

ALPHA = 0.05
BETA = 0.05
# How much rarer something may become that is still wanted: the floor is the rate that is wanted divided by this.
RARER = 5


@dataclass(frozen=True)
class Rule:
    """Accepts what happens at a rate of `wanted`, and not what happens at `floor` or less; between, either.

    At the floor or below, an acceptance has at most the probability `alpha`; at the wanted rate or above, a rejection before `most` trials
    has at most `beta`.
    """

    wanted: float
    floor: float
    most: int
    alpha: float = ALPHA
    beta: float = BETA

    @staticmethod
    def after(seen: int, trials: int, most: int) -> "Rule":
        """The rule for what was seen so often in the first trials: as often (half a trial off 0 and 1), or not RARER times as rarely."""
        wanted = (seen + 0.5) / (trials + 1)
        return Rule(wanted, wanted / RARER, most)

    def decide(self, seen: int, missed: int) -> bool | None:
        """True to accept, False to reject, None to go on."""
        one = math.log(self.wanted / self.floor)
        ratio = seen * one + missed * math.log((1 - self.wanted) / (1 - self.floor))
        left = self.most - seen - missed
        if ratio >= -math.log(self.alpha):
            return True
        if ratio <= math.log(self.beta) or ratio + left * one < -math.log(self.alpha):  # or no trials that are left could accept
            return False
        return None

    @property
    def sentence(self) -> str:
        """For people, with all that decides."""
        return (f"Wald's sequential test, {self.most} trials at most: a candidate is taken that happens at a rate of {self.wanted:.2f}; "
                f"one at {self.floor:.2f} or less is taken with a probability of {self.alpha:g} at most")
