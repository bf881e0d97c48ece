"""An environment of one's own (docs/agents.md): lamps in a row, all of which are to be switched on.

sources:
  lamps: {kind: environment, environment: {python: examples/my_world.py:Lights}, settings: {lamps: 3}}
"""


class Lights:
    """Made with the source's settings, once for every episode."""

    def __init__(self, lamps: int = 4):
        self.lamps = lamps

    def reset(self, seed: int) -> str:
        """Puts the start state, and returns what the model is asked."""
        self.on = [bool(seed >> lamp & 1) for lamp in range(self.lamps)]
        return f"There are {self.lamps} lamps in a row, and you cannot see them. Switch all of them on. Case {seed}."

    def switch(self, lamp: int) -> str:
        """Switches a lamp, and says which are on now.

        Args:
            lamp: its number, from 1
        """
        if not 1 <= lamp <= self.lamps:
            raise ValueError(f"there is no lamp {lamp}; lamps are 1 to {self.lamps}")
        self.on[lamp - 1] = not self.on[lamp - 1]
        return ", ".join(f"lamp {number} is {'on' if on else 'off'}" for number, on in enumerate(self.on, start=1))

    def reward(self) -> float:
        """The share of the lamps that are on."""
        return sum(self.on) / self.lamps
