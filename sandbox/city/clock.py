"""The city's clock: minutes of the day that pass `speed` times faster than real ones."""

import asyncio
import time


class CityClock:
    """`speed` 60: a minute of the city is a second. Everything physical is asked here; business deadlines are not."""

    def __init__(self, speed: float, start_min: float) -> None:
        self.speed = speed
        self._zero = time.monotonic() - self.real_s(start_min)

    def now_min(self) -> float:
        return (time.monotonic() - self._zero) * self.speed / 60

    def real_s(self, minutes: float) -> float:
        return minutes * 60 / self.speed

    def until_s(self, minute: float) -> float:
        """Real seconds until that minute of the day; never negative."""
        return max(0.0, self.real_s(minute - self.now_min()))

    async def sleep_until(self, minute: float) -> None:
        await asyncio.sleep(self.until_s(minute))

    async def sleep_minutes(self, minutes: float) -> None:
        await asyncio.sleep(self.real_s(minutes))

    def time_shown(self) -> str:
        minute = int(self.now_min())
        return f"{minute // 60:02d}:{minute % 60:02d}"
