"""Which proxy a session keeps to: the same one that Muster and its gateway choose (src/values/rendezvous.ts)."""

from typing import Iterable, Optional, Tuple, TypeVar

MASK = 0xFFFFFFFF
T = TypeVar("T")


def scatter(value: int) -> int:
    """The finaliser of MurmurHash3, on 32 bits."""
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & MASK
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & MASK
    return value ^ (value >> 16)


def hash64(text: str) -> Tuple[int, int]:
    """64 bits of a text, as two halves: FNV-1a over its UTF-16 code units from two beginnings."""
    data = text.encode("utf-16-le", "surrogatepass")
    a, b = 0x811C9DC5, 0x9747B28C
    for at in range(0, len(data), 2):
        code = data[at] | data[at + 1] << 8
        a = ((a ^ code) * 0x01000193) & MASK
        b = ((b ^ code) * 0x85EBCA6B) & MASK
        b = ((b << 13) | (b >> 19)) & MASK
    return scatter(a), scatter(b)


def best(session: str, proxies: Iterable[Tuple[str, T]]) -> Optional[T]:
    """The proxy that suits the session best, of pairs of the `id` that lists show (16 hexadecimal digits) and anything."""
    high, low = hash64(session)
    winner, most = None, -1
    for digits, proxy in proxies:
        score = (scatter(int(digits[:8], 16) ^ high) << 20) + (scatter(int(digits[8:], 16) ^ low) >> 12)
        if score > most:
            winner, most = proxy, score
    return winner
