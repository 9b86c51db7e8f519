"""To begin with: what was played yesterday, whole titles. What of tomorrow is known already?"""


class Filling:
    def choose(self, night):
        yesterday = night.plays[-1]
        room, chosen = night.capacity_bytes, []
        for title, rung, index, size in sorted(night.objects, key=lambda one: -yesterday[one[0]]):
            if size <= room:
                room -= size
                chosen.append([title, rung, index])
        return chosen
