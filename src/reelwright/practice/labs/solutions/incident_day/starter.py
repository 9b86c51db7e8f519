"""To begin with: it runs, and blames the last release. What does it not look at?"""


class OnCall:
    def handle(self, instance):
        last = instance.look("releases")[-1]["version"]
        instance.do("roll back to", last - 1)
        return "slow release", f"release {last}"
