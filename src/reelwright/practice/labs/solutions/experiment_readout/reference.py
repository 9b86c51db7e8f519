"""Believe the sample first, stop harm at any look, ship at the end what lasts."""

import math


def z_of(days, total="sum", squares="squares"):
    top = precision = 0.0
    for day in days:
        n = day["n"]
        means = [one / count for one, count in zip(day[total], n)]
        variance = sum((day[squares][arm] / n[arm] - means[arm] ** 2) / n[arm] for arm in (0, 1))
        top += (means[1] - means[0]) / variance
        precision += 1 / variance
    return top / math.sqrt(precision)


class Readout:
    def decide(self, experiment):
        days = experiment["days"]
        came = sum(day["n"][1] for day in days)
        meant = sum(sum(day["n"]) * day["weight"] for day in days)
        spread = sum(sum(day["n"]) * day["weight"] * (1 - day["weight"]) for day in days)
        if math.erfc(abs(came - meant) / math.sqrt(2 * spread)) < 1e-4:
            return "broken"
        bound = 2.2414 / math.sqrt(len(days) / experiment["planned_days"])
        if z_of(days) < -bound or z_of(days, "stalls", "stall_squares") > bound:
            return "no_ship"
        if len(days) < experiment["planned_days"]:
            return "wait"
        before = experiment["before"]
        control = sum(day["sum"][0] / day["n"][0] for day in days[-7:]) / 7
        if control < 0.97 * before["sum"] / before["n"]:
            return "broken"
        lasts = z_of(days[len(days) // 2 :]) > 1.96
        return "ship" if z_of(days) > bound and lasts else "no_ship"
