"""What is full is not looked at."""


class Steering:
    def plan(self, demand_bps, edges):
        """demand_bps: {region: bits per second expected from now on}"""

    def rank(self, region, edges, bps):
        room = [one for one in edges if one.state == "ok"]
        return [one.name for one in sorted(room, key=lambda one: one.costs[region])]
