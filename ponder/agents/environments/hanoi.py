"""The Tower of Hanoi, played move by move; the positions are those of reasoning-gym's family tower_of_hanoi."""

from dataclasses import dataclass, field

from ponder.agents.tools.tool import ToolError


@dataclass
class Hanoi:
    """
    Args:
        min_disks, max_disks: how many disks a game has
        moves: most moves, in shortest solutions; what comes after them is refused
    """

    min_disks: int = 2
    max_disks: int = 3
    moves: float = 3.0
    _pegs: dict[int, list[int]] = field(default_factory=dict)  # disks from the bottom, by peg
    _target: int = 0
    _left: int = 0

    def __post_init__(self):
        if not 1 <= self.min_disks <= self.max_disks <= 8 or not self.moves >= 1:
            raise ValueError("disks must be 1 to 8, min_disks no more than max_disks, and moves at least 1")

    def reset(self, seed: int) -> str:
        from reasoning_gym.games.tower_of_hanoi import HanoiConfig, HanoiDataset

        game = HanoiDataset(
            HanoiConfig(min_disks=self.min_disks, max_disks=self.max_disks, min_pegs=3, max_pegs=3, size=1, seed=seed)
        )[0]["metadata"]
        start, disks = game["start_peg"], game["num_disks"]
        self._pegs = {peg: [] for peg in (1, 2, 3)}
        self._pegs[start] = list(range(disks, 0, -1))
        self._target = game["target_peg"]
        self._left = int(self.moves * game["solution_length"])
        return (
            f"Tower of Hanoi: {disks} disks lie on peg {start}, the largest at the bottom; pegs are 1 to 3. Bring all of them to peg "
            f"{self._target}. A larger disk never lies on a smaller one. You have {self._left} moves."
        )

    def move(self, source: int, target: int) -> str:
        """Moves the top disk of a peg to another peg, and returns what lies where, from the bottom.

        Args:
            source: the peg it is on
            target: the peg it goes to
        """
        for peg in (source, target):
            if peg not in self._pegs:
                raise ToolError(f"there is no peg {peg}; pegs are 1 to 3")
        if not self._left:
            raise ToolError("there are no moves left")
        if not self._pegs[source]:
            raise ToolError(f"peg {source} is empty")
        if self._pegs[target] and self._pegs[target][-1] < self._pegs[source][-1]:
            raise ToolError(f"disk {self._pegs[source][-1]} is larger than disk {self._pegs[target][-1]}")
        self._pegs[target].append(self._pegs[source].pop())
        self._left -= 1
        return "; ".join(f"peg {peg}: {' '.join(map(str, disks)) or 'empty'}" for peg, disks in self._pegs.items())

    def reward(self) -> dict:
        there, all_disks = len(self._pegs[self._target]), sum(map(len, self._pegs.values()))
        return {"score": float(there == all_disks), "reason": f"{there} of {all_disks} disks are on peg {self._target}"}
