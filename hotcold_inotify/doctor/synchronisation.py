"""Whether the kernel is told that the clock is right: adjtimex(2), asked and not set."""

import ctypes
from typing import Final

_STA_UNSYNC: Final = 0x0040


class _Timex(ctypes.Structure):
    # <linux/timex.h> up to what is read; the rest is room for the kernel to write into.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def synchronised() -> bool | None:
    """Whether somebody, NTP as a rule, keeps the clock right; None: the kernel does not say."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        return None
    return not timex.status & _STA_UNSYNC
