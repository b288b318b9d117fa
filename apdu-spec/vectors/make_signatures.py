"""Computes every key and MAC of one purchase, in its own words, and writes signatures.txt.

A second opinion on `src/crypto` and `src/signature.rs`: only the block ciphers come from a
library (PyPI `cryptography`); padding, CMAC, retail MAC, key ladders and the order of the
fields are written here from the module documentation. The purchase is the one of
`tests/story/mod.rs`.

    python3 make_signatures.py > signatures.txt
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

# The high nibble is the layout of all inputs.
AES_CMAC, RETAIL_MAC = 0x21, 0x22


def number(value, width):
    return value.to_bytes(width, "big", signed=value < 0)


def block(algorithm, data, decrypt=False):
    cipher = Cipher(algorithm, modes.ECB())
    step = cipher.decryptor() if decrypt else cipher.encryptor()
    return step.update(data) + step.finalize()


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def pad(data, size):
    data += b"\x80"
    return data + bytes(-len(data) % size)


def cmac(encrypt, size, message):
    """NIST SP 800-38B; `size` is that of a block in bytes."""
    constant = {16: 0x87, 8: 0x1B}[size]

    def double(value):
        doubled = int.from_bytes(value, "big") << 1
        if doubled >> (8 * size):
            doubled = doubled ^ (1 << (8 * size)) ^ constant
        return doubled.to_bytes(size, "big")

    whole = double(encrypt(bytes(size)))
    last = len(message) and (len(message) - 1) // size * size
    head, tail = message[:last], message[last:]
    tail = xor(tail, whole) if len(tail) == size else xor(pad(tail, size), double(whole))
    state = bytes(size)
    for start in range(0, len(head), size):
        state = encrypt(xor(state, head[start : start + size]))
    return encrypt(xor(state, tail))


def aes_cmac(key, message):
    return cmac(lambda data: block(AES(key), data), 16, message)


def tdea_cmac(key, message):
    return cmac(lambda data: block(TripleDES(key + key[:8]), data), 8, message)


def mac(algorithm, key, message):
    """SP 800-38B, or ISO/IEC 9797-1 algorithm 3 with padding 2; the first eight bytes."""
    if algorithm == AES_CMAC:
        return aes_cmac(key, message)[:8]
    left, right = TripleDES(key[:8] * 3), TripleDES(key[8:] * 3)
    state = bytes(8)
    message = pad(message, 8)
    for start in range(0, len(message), 8):
        state = block(left, xor(state, message[start : start + 8]))
    return block(left, block(right, state, decrypt=True))


def card_key(algorithm, master, holder, function, group):
    """AN10922 of holder (8), function, group, version, "PURSE"."""
    data = holder.ljust(8, b"\0") + bytes([function, group, VERSION]) + b"PURSE"
    if algorithm == AES_CMAC:
        return aes_cmac(master, b"\x01" + data)
    return tdea_cmac(master, b"\x21" + data[:15]) + tdea_cmac(master, b"\x22" + data[:15])


def derive(algorithm, key, label, context):
    """SP 800-108, counter mode: counter, label, 00, context, 128 in two bytes."""
    data = bytes([label, 0]) + context + number(128, 2)
    if algorithm == AES_CMAC:
        return aes_cmac(key, b"\x01" + data)
    return tdea_cmac(key, b"\x01" + data) + tdea_cmac(key, b"\x02" + data)


# Codes and numbers of the story.
PURCHASE, RECOVERY, VERSION, GROUP = 0x01, 0x07, 1, 1
S1, S2, S3, S4, S5, S6, PREVIOUS, ACKNOWLEDGEMENT, RELEASE, COMMITMENT = range(1, 11)
CHAIN = 0x14
K_STATEMENT, K_ORDER, K_CERTIFICATE, K_PREVIOUS, K_RECORD, K_SECRET = range(0x11, 0x17)
F_PURCHASE, F_CERTIFICATE, F_RECORD, F_CANCELLATION = 2, 3, 4, 5
NT_IEP, NT_SAM, NV, AMOUNT, BATCH, INDEX, LIST = 7, 42, 3, 1_250, 3, 5, 7


def master(first):
    return bytes(range(first, first + 16))


def story(algorithm):
    out = {}
    key = bytes([algorithm, GROUP, VERSION])
    record_reference = bytes([algorithm, 0, VERSION])
    heading = lambda name, kind=PURCHASE, key=key: bytes([name, kind]) + key

    iep = number(280_001, 3) + number(4_711, 5)
    sam = number(280_101, 3) + number(7, 3)
    card = number(280_101, 3) + number(900, 3)
    identity = iep + number(20_819, 2) + number(978, 2) + number(2, 1) + number(15_000, 4)
    random = bytes(range(0xC0, 0xC8))

    def position(balance, nv, random, receipts):
        counters = number(NT_IEP, 3) + number(nv, 3) + number(1, 3) + number(0, 3)
        offline = number(0, 4) + number(0, 4)
        return number(balance, 4) + counters + offline + random + number(receipts, 1) + b"\x00"

    before = position(5_000, NV, random, 2)
    statement = identity + before
    counterpart = sam + bytes(range(0xD0, 0xD8))
    session = bytes([PURCHASE]) + number(NT_IEP, 3) + random + counterpart

    kdp = out["KDP"] = card_key(algorithm, master(0x00), iep, F_PURCHASE, GROUP)
    kdc = out["KDC"] = card_key(algorithm, master(0x10), iep, F_CERTIFICATE, 0)
    kdr = out["KDR"] = card_key(algorithm, master(0x20), sam, F_RECORD, 0)
    kdx = out["KDX"] = card_key(algorithm, master(0x30), sam, F_CANCELLATION, 0)
    kdt = out["KDT"] = card_key(algorithm, master(0x20), card, F_RECORD, 0)

    k1 = out["K1"] = derive(algorithm, kdp, K_STATEMENT, session)
    ks = out["KS"] = derive(algorithm, k1, K_ORDER, number(NT_SAM, 4))
    k6 = out["K6"] = derive(algorithm, kdc, K_CERTIFICATE, session)
    kr = out["KR"] = derive(algorithm, kdr, K_RECORD, number(BATCH, 3))

    secret_context = iep + number(NT_IEP, 3) + number(NT_SAM, 4)
    secret = out["SECRET"] = derive(algorithm, kdx, K_SECRET, secret_context)
    committed = heading(COMMITMENT) + statement + sam + number(NT_SAM, 4) + number(AMOUNT, 4)
    commitment = out["COMMITMENT"] = mac(algorithm, secret, committed)

    order = number(AMOUNT, 4) + number(1_700_000_000, 4) + number(NT_SAM, 4) + number(1, 3) + commitment
    s1 = out["S1"] = mac(algorithm, k1, heading(S1) + statement + counterpart + number(0, 4))
    s2 = out["S2"] = mac(algorithm, ks, heading(S2) + s1 + sam + order)
    after = number(5_000 - AMOUNT, 4) + number(NV + 1, 3)
    s6 = out["S6"] = mac(algorithm, k6, heading(S6) + statement + counterpart + order + s2 + after)
    s3 = out["S3"] = mac(algorithm, ks, heading(S3) + s2 + s6)

    entry = bytes([PURCHASE]) + key + before + counterpart + order + s3 + s6
    record = sam + number(BATCH, 3) + number(INDEX, 2) + b"\x01" + number(LIST, 4) + identity + entry
    s5 = out["S5"] = mac(algorithm, kr, heading(S5, key=record_reference) + record + bytes(8))
    link = heading(CHAIN, key=record_reference) + number(BATCH, 3) + bytes(8) + s5
    chain = out["CHAIN"] = mac(algorithm, kr, link)
    totals = number(100_000 + AMOUNT, 6) + number(2_500, 6) + number(400, 6)
    sums = b"\x01" + number(280_001, 3) + number(978, 2) + b"\x02" + number(81, 4) + totals
    front = sam + number(BATCH, 3) + b"\x11" * 8 + number(1, 2) + number(0, 2) + number(NT_SAM, 4)
    told = number(1_700_000_000, 4) + number(LIST, 4) + number(2, 3)
    trailer = front + told + chain + bytes(8) + sums
    s4 = out["S4"] = mac(algorithm, kr, heading(S4, key=record_reference) + trailer)
    acknowledged = heading(ACKNOWLEDGEMENT, key=record_reference) + sam + number(BATCH, 3) + s4
    acknowledged += number(1_700_003_600, 4) + number(LIST, 4) + b"\x01" + number(40, 4) + b"\x01"
    out["ACKNOWLEDGEMENT"] = mac(algorithm, kr, acknowledged)

    asker = sam + bytes(range(0xE0, 0xE8))
    recovery = bytes([RECOVERY]) + number(NT_IEP, 3) + bytes(8) + asker
    kp = out["KP"] = derive(algorithm, kdp, K_PREVIOUS, recovery)
    now = identity + position(5_000 - AMOUNT, NV + 1, bytes(8), 3)
    answered = heading(PREVIOUS, RECOVERY) + asker + b"\x00" + number(NT_IEP, 3) + b"\x01" + now + entry
    out["PREVIOUS"] = mac(algorithm, kp, answered)

    kt = derive(algorithm, kdt, K_RECORD, number(0, 3))
    released = heading(RELEASE, key=record_reference) + card + number(5, 4) + number(2, 4)
    out["RELEASE"] = mac(algorithm, kt, released)
    return out


print("# Keys and MACs of the purchase of tests/story/mod.rs. Made by make_signatures.py.")
print("# If a test fails, do not change this file: cards in the field compute these.")
for name, algorithm in [("AesCmac", AES_CMAC), ("RetailMac", RETAIL_MAC)]:
    for what, value in story(algorithm).items():
        print(f"{name} {what} {value.hex().upper()}")
