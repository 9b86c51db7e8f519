"""Never stalls, and shows the least there is."""


class Bitrate:
    def choose(self, known):
        return 0
