"""A small hotel whose bookings must end right: look, book, cancel. Made from seeds, synthetic through and through.

In the manner of BFCL's multi-turn worlds the state is judged, not the calls that led to it: every order is carried out, and
nobody else's booking is touched.
"""

from dataclasses import dataclass, field
from random import Random

from ponder.agents.tools.tool import ToolError

GUESTS = (
    "Ana",
    "Ben",
    "Cleo",
    "Dan",
    "Eva",
    "Finn",
    "Gia",
    "Hugo",
    "Ines",
    "Jon",
    "Kira",
    "Leo",
    "Mia",
    "Noah",
    "Olga",
)
SIZES = (1, 2, 4)  # people that a room sleeps


@dataclass(frozen=True)
class Order:
    """One wish: a room for so many people on a day (cancel: None), and the day of a booking that goes (book: None)."""

    guest: str
    people: int
    day: int | None = None
    gone: int | None = None

    @property
    def words(self) -> str:
        people = f"{self.people} {'person' if self.people == 1 else 'people'}"
        if self.gone is None:
            return f"Book a room for {self.guest} on day {self.day}, for {people}."
        if self.day is None:
            return f"Cancel {self.guest}'s booking."
        return f"Move {self.guest}'s booking from day {self.gone} to day {self.day}, for {people}."


@dataclass
class Bookings:
    """
    Args:
        rooms: numbered from 1
        days: numbered from 1
        orders: wishes of one task, of different guests
        taken: share of the nights that are taken at the start
    """

    rooms: int = 4
    days: int = 5
    orders: int = 1
    taken: float = 0.4
    _sleeps: dict[int, int] = field(default_factory=dict)  # people, by room
    _booked: dict[tuple[int, int], str] = field(default_factory=dict)  # guest, by (room, day)
    _before: dict[tuple[int, int], str] = field(default_factory=dict)
    _wishes: list[Order] = field(default_factory=list)

    def __post_init__(self):
        if not (1 <= self.rooms <= 50 and 2 <= self.days <= 31 and 0 <= self.taken <= 0.8):
            raise ValueError("rooms must be 1 to 50, days 2 to 31, taken 0 to 0.8")
        if not 1 <= self.orders <= min(5, self.rooms * self.days // 2):
            raise ValueError(f"orders is {self.orders}: it must be 1 to 5, and no more than half of all nights")

    def reset(self, seed: int) -> str:
        rng = Random(seed)
        self._sleeps = {room: SIZES[(room - 1) % len(SIZES)] for room in range(1, self.rooms + 1)}
        names = rng.sample(GUESTS, len(GUESTS))
        # Each wish has nights of its own, so that all of them can be carried out.
        nights = rng.sample(
            [(room, day) for room in self._sleeps for day in range(1, self.days + 1)], self.rooms * self.days
        )
        self._booked, self._wishes = {}, []
        for guest in names[: self.orders]:
            self._wishes.append(self._wish(guest, nights, rng))
        others = rng.sample(nights, round(self.taken * len(nights)))
        self._booked |= {night: rng.choice(names[self.orders :]) for night in others}
        self._before = dict(self._booked)
        return " ".join(["You keep the bookings of a hotel.", *(wish.words for wish in self._wishes)])

    def rooms_on(self, day: int) -> str:
        """Lists the rooms of a day: how many people each sleeps, and who has it.

        Args:
            day: from 1
        """
        self._check_day(day)
        return "\n".join(
            f"room {room}, sleeps {sleeps}: {self._booked.get((room, day), 'free')}"
            for room, sleeps in self._sleeps.items()
        )

    def bookings_of(self, guest: str) -> str:
        """Lists a guest's bookings.

        Args:
            guest: the name
        """
        found = [f"room {room} on day {day}" for (room, day), name in sorted(self._booked.items()) if name == guest]
        return "\n".join(found) or f"{guest} has no booking."

    def book(self, room: int, day: int, guest: str) -> str:
        """Books a room for a guest on a day.

        Args:
            room: its number
            day: from 1
            guest: the name
        """
        self._check_night(room, day)
        if (room, day) in self._booked:
            raise ToolError(f"room {room} is taken on day {day} by {self._booked[room, day]}")
        self._booked[room, day] = guest
        return f"Room {room} is booked for {guest} on day {day}."

    def cancel(self, room: int, day: int) -> str:
        """Cancels the booking of a room on a day.

        Args:
            room: its number
            day: from 1
        """
        self._check_night(room, day)
        if (room, day) not in self._booked:
            raise ToolError(f"room {room} is free on day {day}")
        return f"The booking of {self._booked.pop((room, day))} is cancelled."

    def reward(self) -> dict:
        wishing = {wish.guest for wish in self._wishes}
        others = {night: guest for night, guest in self._before.items() if guest not in wishing}
        if {night: guest for night, guest in self._booked.items() if guest not in wishing} != others:
            return {"score": 0.0, "reason": "somebody else's booking was changed"}
        done = [wish for wish in self._wishes if self._is_met(wish)]
        left = [wish.words for wish in self._wishes if wish not in done]
        return {
            "score": len(done) / len(self._wishes),
            "reason": f"not carried out: {left[0]}" if left else "all carried out",
        }

    def _wish(self, guest: str, nights: list[tuple[int, int]], rng: Random) -> Order:
        """A wish, with the booking that it is about put into the book; its nights are taken from `nights`."""
        room, day = nights.pop()
        people = rng.choice([size for size in SIZES if size <= self._sleeps[room]])
        kind = rng.choice(("book", "cancel", "move"))
        if kind == "cancel":
            self._booked[room, day] = guest
            return Order(guest, people, gone=day)
        before = next((night for night in nights if self._sleeps[night[0]] >= people and night[1] != day), None)
        if kind == "book" or before is None:
            return Order(guest, people, day=day)
        nights.remove(before)
        self._booked[before] = guest
        return Order(guest, people, day=day, gone=before[1])

    def _is_met(self, wish: Order) -> bool:
        nights = [night for night, guest in self._booked.items() if guest == wish.guest]
        if wish.day is None:
            return not nights
        return len(nights) == 1 and nights[0][1] == wish.day and self._sleeps[nights[0][0]] >= wish.people

    def _check_day(self, day: int) -> None:
        if not 1 <= day <= self.days:
            raise ToolError(f"there is no day {day}; days are 1 to {self.days}")

    def _check_night(self, room: int, day: int) -> None:
        self._check_day(day)
        if room not in self._sleeps:
            raise ToolError(f"there is no room {room}; rooms are 1 to {self.rooms}")
