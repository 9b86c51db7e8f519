"""To begin with: the cheapest edge that has room. Who comes later, and has no other?"""

FULL = 0.97


class Steering:
    def plan(self, demand_bps, edges):
        """demand_bps: {region: bits per second expected from now on}"""

    def rank(self, region, edges, bps):
        room = [one for one in edges if one.state == "ok" and one.load_bps + bps <= FULL * one.capacity_bps]
        return [one.name for one in sorted(room, key=lambda one: one.costs[region])]
