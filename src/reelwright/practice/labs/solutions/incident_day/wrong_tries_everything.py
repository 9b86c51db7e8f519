"""Rolls back first and looks afterwards."""


class OnCall:
    def handle(self, instance):
        instance.do("roll back to", 1)
        health, before = instance.look("health"), instance.look("before")
        if health["requests_a_s"] > 1.5 * before["requests_a_s"]:
            client = instance.look("clients")[0]["client"]
            instance.do("limit client", client, 10)
            return "hot client", client
        nodes = sorted(instance.look("nodes"), key=lambda one: one["failed_share"])
        if nodes[-1]["failed_share"] > 0.3 and nodes[-2]["failed_share"] < 0.1:
            instance.do("drain node", nodes[-1]["node"])
            return "failing node", nodes[-1]["node"]
        if health["refused_share"] > before["refused_share"] + 0.1:
            fault, field = "bad limit", "viewer_limit"
        elif health["busy_share"] > 1.5 * before["busy_share"]:
            fault, field = "slow release", "work_ms"
        else:
            fault, field = "stampede", "coalesce"
        releases = instance.look("releases")
        guilty = max(one["version"] for one in releases if field in one["changes"])
        instance.do("roll back to", guilty - 1)
        return fault, f"release {guilty}"
