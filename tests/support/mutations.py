"""Answers of HTTP servers, damaged at random."""

import random

WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nSet-Cookie: a=b; Path=/\r\n"
    b"Location: https://elsewhere.example/\r\nRetry-After: 3\r\nContent-Length: 65\r\n\r\n"
    b'{"code":200,"msg":"success","data":{"taskId":"0123456789abcdef"}}'
)
PIECES = [
    *(b"\0", b"\r\n", b"\r\n\r\n", b":", b" ", b"\xff\xfe", b"\x1b[2J", b"[", b"{", b'"', b"-", b"9" * 400, b"%s" * 20),
    *(b"HTTP/1.1 302 Found\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Location: http://[\r\n", b"HTTP/1.1 103 Hm\r\n\r\n", b"Connection: close\r\n"),
    *(b"Set-Cookie: a=b; expires=1-Feb-99999\r\n", b"; charset=\0", "١٢".encode(), b"\n", b"A" * 70_000),
]


def mutated(chance: random.Random) -> bytes:
    """The whole answer with a few bytes changed, lost, doubled or put in."""
    answer = bytearray(WHOLE)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(answer) + 1)
        match chance.randrange(5):
            case 0:
                answer[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del answer[at : at + chance.randint(1, 30)]
            case 2:
                answer[at:at] = answer[at : at + chance.randint(1, 60)]
            case 3:
                answer[at:at] = chance.choice(PIECES)
            case 4:
                del answer[at:]
    return bytes(answer)
