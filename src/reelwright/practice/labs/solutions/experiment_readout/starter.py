"""To begin with: it runs, and ships on the first day that looks good. What does it not ask?"""

import math


class Readout:
    def decide(self, experiment):
        n = [sum(day["n"][arm] for day in experiment["days"]) for arm in (0, 1)]
        means = [sum(day["sum"][arm] for day in experiment["days"]) / n[arm] for arm in (0, 1)]
        squares = [sum(day["squares"][arm] for day in experiment["days"]) / n[arm] for arm in (0, 1)]
        error = math.sqrt(sum((squares[arm] - means[arm] ** 2) / n[arm] for arm in (0, 1)))
        if (means[1] - means[0]) / error > 1.96:
            return "ship"
        return "wait" if len(experiment["days"]) < experiment["planned_days"] else "no_ship"
