"""Keys and signatures of BIP-340 in plain Python: slow and not safe against who measures times, as befits an emulator, and
independent of the library that the program signs with."""

import hashlib
from functools import lru_cache

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int]
_Jacobian = tuple[int, int, int]
_NOWHERE: _Jacobian = (0, 1, 0)


def _double(p: _Jacobian) -> _Jacobian:
    x, y, z = p
    if not z:
        return p
    s, m = 4 * x * y * y % P, 3 * x * x % P
    x2 = (m * m - 2 * s) % P
    return x2, (m * (s - x2) - 8 * y**4) % P, 2 * y * z % P


def _add(p: _Jacobian, q: _Jacobian) -> _Jacobian:
    if not p[2]:
        return q
    if not q[2]:
        return p
    z1, z2 = p[2] * p[2] % P, q[2] * q[2] % P
    u1, u2 = p[0] * z2 % P, q[0] * z1 % P
    s1, s2 = p[1] * z2 * q[2] % P, q[1] * z1 * p[2] % P
    if u1 == u2:
        return _double(p) if s1 == s2 else _NOWHERE
    h, r = (u2 - u1) % P, (s2 - s1) % P
    h2 = h * h % P
    h3, v = h * h2 % P, u1 * h2 % P
    x = (r * r - h3 - 2 * v) % P
    return x, (r * (v - x) - s1 * h3) % P, h * p[2] * q[2] % P


def _times(point: Point, number: int) -> _Jacobian:
    out, step = _NOWHERE, (*point, 1)
    while number:
        if number & 1:
            out = _add(out, step)
        step = _double(step)
        number >>= 1
    return out


def _affine(p: _Jacobian) -> Point | None:
    if not p[2]:
        return None
    inverse = pow(p[2], -1, P)
    return p[0] * inverse**2 % P, p[1] * inverse**3 % P


def _lifted(x: int) -> Point | None:
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if x >= P or y * y % P != square:
        return None
    return x, y if y % 2 == 0 else P - y


def _tagged(tag: str, data: bytes) -> bytes:
    digest = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(digest + digest + data).digest()


@lru_cache(maxsize=4096)
def public_of(secret: str) -> str:
    """The public key, both as hexadecimal."""
    point = _affine(_times(G, int(secret, 16) % N))
    assert point is not None  # noqa: S101 - no secret is a multiple of N
    return f"{point[0]:064x}"


def secret_of(seed: bytes) -> str:
    """A private key out of anything."""
    return f"{int.from_bytes(hashlib.sha256(seed).digest(), 'big') % (N - 1) + 1:064x}"


@lru_cache(maxsize=4096)
def sign(secret: str, message: bytes) -> str:
    """The signature of 32 bytes, without auxiliary randomness."""
    number = int(secret, 16) % N
    point = _affine(_times(G, number))
    assert point is not None  # noqa: S101
    key = number if point[1] % 2 == 0 else N - number
    public = point[0].to_bytes(32, "big")
    masked = (key ^ int.from_bytes(_tagged("BIP0340/aux", bytes(32)), "big")).to_bytes(32, "big")
    nonce = int.from_bytes(_tagged("BIP0340/nonce", masked + public + message), "big") % N
    r = _affine(_times(G, nonce))
    assert r is not None  # noqa: S101
    k, x = nonce if r[1] % 2 == 0 else N - nonce, r[0].to_bytes(32, "big")
    e = int.from_bytes(_tagged("BIP0340/challenge", x + public + message), "big") % N
    return (x + ((k + e * key) % N).to_bytes(32, "big")).hex()


@lru_cache(maxsize=4096)
def is_signed(public: str, message: bytes, signature: str) -> bool:
    """Whether the signature of 32 bytes is of the public key."""
    try:
        r, s = int(signature[:64], 16), int(signature[64:], 16)
        point = _lifted(int(public, 16))
    except ValueError:
        return False
    if len(signature) != 128 or point is None or r >= P or s >= N:
        return False
    e = int.from_bytes(_tagged("BIP0340/challenge", bytes.fromhex(signature[:64] + public) + message), "big") % N
    found = _affine(_add(_times(G, s), _times(point, N - e)))
    return found is not None and found[1] % 2 == 0 and found[0] == r
