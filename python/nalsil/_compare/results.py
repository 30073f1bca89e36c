"""Whether the forms return the same: digests against those of the first form."""

from __future__ import annotations

from nalsil._compare.reading import Reading


class Results:
    """What the reference returned, item by item, and which items it returns anew each time."""

    def __init__(self) -> None:
        self.reference: str | None = None
        self._digests: dict[int, str] = {}
        self._opaque: set[str] = set()
        self._changed = 0
        self.is_confirmed = False

    def take_reference(self, title: str, reading: Reading) -> None:
        """Take what the first form returned as what is right."""
        self.reference = title
        self._opaque.update(reading["opaque"])
        if any(self._digests.get(i, value) != value for i, value in reading["digests"].items()):
            self.confirm(reading)
        elif not self.is_confirmed:
            self._digests.update(reading["digests"])

    def confirm(self, reading: Reading) -> None:
        """Take in a second run of the reference; items that changed are compared no more."""
        self.is_confirmed = True
        for index, value in reading["digests"].items():
            if self._digests.get(index, value) != value:
                del self._digests[index]
                self._changed += 1

    def differing(self, reading: Reading) -> str | None:
        """Return on which items a form returned something else, in words; None for none."""
        self._opaque.update(reading["opaque"])
        common = sorted(index for index in reading["digests"] if index in self._digests)
        differ = [i for i in common if reading["digests"][i] != self._digests[i]]
        if not differ:
            return None
        return f"{len(differ)} of {len(common)} items, the first of them item {differ[0]}"

    def warnings(self) -> list[str]:
        """Return what the comparison could not do."""
        said = []
        if self._changed:
            only = "only the others' were compared" if self._digests else "none were compared"
            said.append(f"results of {self._changed} items change from run to run: {only}")
        if self._opaque:
            names = ", ".join(f"`{name}`" for name in sorted(self._opaque))
            said.append(f"results of type {names} were compared by their type only")
        return said
