"""Prices: what another bit on an edge costs those who must give way, from the cheapest flow of what is to come."""

FULL = 0.97


class Steering:
    def __init__(self):
        self.prices = {}

    def plan(self, demand_bps, edges):
        self.room = {one.name: max(0.0, FULL * one.capacity_bps - one.load_bps) for one in edges if one.state == "ok"}
        self.costs = {one.name: one.costs for one in edges if one.state == "ok"}
        self.flows = {name: {} for name in self.room}
        least = 1e-9 * sum(self.room.values())
        for region, wanted in demand_bps.items():
            while wanted > least:
                displaced = self.displaced(least)
                edge = min(self.room, key=lambda one: self.costs[one][region] + displaced[one][0])
                if displaced[edge][0] == float("inf"):
                    break
                wanted -= self.push(region, edge, wanted, displaced)
        self.prices = {name: cost for name, (cost, _) in self.displaced(least).items()}

    def displaced(self, least):
        """By edge: what a bit more costs, and who (region, edge) gives way; nobody where there is room."""
        found = {name: (0.0 if room > least else float("inf"), None) for name, room in self.room.items()}
        for _ in self.room:
            for name, flows in self.flows.items():
                for region in flows:
                    for other in self.room:
                        cost = self.costs[other][region] - self.costs[name][region] + found[other][0]
                        if other != name and cost < found[name][0] - 1e-12:
                            found[name] = (cost, (region, other))
        return found

    def push(self, region, edge, wanted, displaced):
        """As much as the chain of those who give way allows."""
        chain, much = [(region, edge)], wanted
        while displaced[edge][1] is not None:
            leaver, other = displaced[edge][1]
            much = min(much, self.flows[edge][leaver])
            chain.append((leaver, other))
            edge = other
        much = min(much, self.room[edge])
        self.room[edge] -= much
        for at, (one, to) in enumerate(chain):
            self.flows[to][one] = self.flows[to].get(one, 0.0) + much
            if at:
                left = self.flows[chain[at - 1][1]]
                left[one] -= much
                if left[one] <= 0:
                    del left[one]
        return much

    def rank(self, region, edges, bps):
        room = [one for one in edges if one.state == "ok" and one.load_bps + bps <= FULL * one.capacity_bps]
        return [one.name for one in sorted(room, key=lambda one: one.costs[region] + self.prices.get(one.name, 0.0))]
