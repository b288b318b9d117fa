"""Computes secure-channel sessions that nobody has published: mode S16 of SCP03 with every
key length and data of many lengths, and the pseudo-random challenge of SCP02 (i = 55).

A second opinion on `src/crypto/secure_channel`, in its own words, from Amendment D v1.2 and
appendix E: only the block ciphers come from a library (PyPI `cryptography`). The published
sessions are in `secure_channel.txt`; this writes the same kind of lines.

    python3 make_secure_channel.py > secure_channel_computed.txt
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

AID = bytes.fromhex("A000000151000000")


def cipher(key, algorithm, data, iv=None, decrypt=False):
    made = Cipher(algorithm(key), modes.CBC(iv) if iv else modes.ECB())
    step = made.decryptor() if decrypt else made.encryptor()
    return step.update(data) + step.finalize()


def pad(data, block):
    data += b"\x80"
    return data + bytes(-len(data) % block)


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def cmac(key, message):
    def double(value):
        value = int.from_bytes(value, "big") << 1
        return (value ^ 0x87 if value >> 128 else value).to_bytes(17, "big")[1:]

    subkey = double(cipher(key, AES, bytes(16)))
    whole = len(message) % 16 == 0 and message
    if not whole:
        message, subkey = pad(message, 16), double(subkey)
    state = bytes(16)
    for at in range(0, len(message) - 16, 16):
        state = cipher(key, AES, xor(state, message[at : at + 16]))
    return cipher(key, AES, xor(xor(state, message[-16:]), subkey))


def derive(key, constant, length, context):
    blocks = b""
    for counter in (1, 2):
        label = bytes(11) + bytes([constant, 0]) + (length * 8).to_bytes(2, "big") + bytes([counter])
        blocks += cmac(key, label + context)
    return blocks[:length]


def apdu(header, data, le=b""):
    return header + (bytes([len(data)]) if data else b"") + data + le


def scp03_s16(length, host, sequence):
    """A whole session at level 33, i = 71, with its lines."""
    enc, mac, dek = (bytes((number * 16 + at) % 256 for at in range(length)) for number in (1, 5, 9))
    card = derive(enc, 0x02, 16, sequence + AID)
    context = host + card
    s_enc, s_mac, s_rmac = derive(enc, 4, length, context), derive(mac, 6, length, context), derive(mac, 7, length, context)
    lines = [f"session SCP03 AES-{length * 8} level 33 mode S16"]
    lines.append(f"keys aes {enc.hex()} {mac.hex()} {dek.hex()}")
    lines.append(f"aid {AID.hex()}")
    opened = bytes(10) + b"\x30\x03\x71" + card + derive(s_mac, 0, 16, context) + sequence
    lines.append(f"initialize {apdu(bytes.fromhex('80503000'), host, bytes(1)).hex()} {opened.hex()}")
    lines.append(f"derived {s_enc.hex()} {s_mac.hex()} {s_rmac.hex()}")
    chaining, counter = bytes(16), 0

    def maced(header, data):
        nonlocal chaining
        chaining = cmac(s_mac, chaining + header + bytes([len(data) + 16]) + data)
        return data + chaining

    def icv(direction):
        return cipher(s_enc, AES, bytes([direction]) + counter.to_bytes(15, "big"))

    header = bytes.fromhex("84823300")
    lines.append(f"authenticate {apdu(header, maced(header, derive(s_mac, 1, 16, context))).hex()}")
    exchanges = [(20, 21), (0, 0), (223, 239), (16, 5), (15, 16)]
    for command, answer in exchanges:
        counter += 1
        data = bytes((7 * at + command) % 256 for at in range(command))
        travels = cipher(s_enc, AES, pad(data, 16), icv(0)) if data else data
        plain, secured = bytes.fromhex("80E20005"), bytes.fromhex("84E20005")
        lines.append(f"command {apdu(plain, data, bytes(1)).hex()} {apdu(secured, maced(secured, travels), bytes(1)).hex()}")
        data = bytes((5 * at + answer) % 256 for at in range(answer))
        travels = cipher(s_enc, AES, pad(data, 16), icv(0x80)) if data else data
        status = bytes.fromhex("9000")
        mac_of_answer = cmac(s_rmac, chaining + travels + status)
        lines.append(f"answer {(travels + mac_of_answer + status).hex()} {(data + status).hex()}")
    return lines


def tdes(key, data, iv=bytes(8)):
    return cipher(key + key[:8], TripleDES, data, iv)


def retail(key, message, icv):
    """The retail MAC: single DES, whose key three times over is a Triple DES key."""
    message, state = pad(message, 8), icv
    for at in range(0, len(message) - 8, 8):
        state = cipher(key[:8] * 3, TripleDES, xor(state, message[at : at + 8]))
    return cipher(key + key[:8], TripleDES, xor(state, message[-8:]))


def scp02_i55(host, sequence):
    """A whole session at level 03 with a pseudo-random challenge."""
    enc, mac, dek = (bytes((number * 16 + at) % 256 for at in range(16)) for number in (1, 5, 9))
    session = lambda key, constant: tdes(key, constant + sequence + bytes(12))
    s_enc, c_mac, s_dek = session(enc, b"\x01\x82"), session(mac, b"\x01\x01"), session(dek, b"\x01\x81")
    card = sequence + retail(c_mac, AID, bytes(8))[:6]
    cryptogram = lambda first, second: tdes(s_enc, pad(first + second, 8))[-8:]
    lines = ["session SCP02 level 03, pseudo-random challenge"]
    lines.append(f"keys des {enc.hex()} {mac.hex()} {dek.hex()}")
    lines.append(f"aid {AID.hex()}")
    opened = bytes(10) + b"\x20\x02" + card + cryptogram(host, card)
    lines.append(f"initialize {apdu(bytes.fromhex('80502000'), host, bytes(1)).hex()} {opened.hex()}")
    lines.append(f"derived {s_enc.hex()} {c_mac.hex()} {s_dek.hex()}")
    icv = bytes(8)

    def maced(header, data, travels):
        nonlocal icv
        made = retail(c_mac, header + bytes([len(data) + 8]) + data, icv)
        icv = cipher(c_mac[:8] * 3, TripleDES, made)
        return travels + made

    header, shown = bytes.fromhex("84820300"), cryptogram(card, host)
    lines.append(f"authenticate {apdu(header, maced(header, shown, shown)).hex()}")
    for length in [*range(18), 239]:
        data = bytes((7 * at + length) % 256 for at in range(length))
        travels = tdes(s_enc, pad(data, 8)) if data else data
        plain, secured = bytes.fromhex("80E20005"), bytes.fromhex("84E20005")
        lines.append(f"command {apdu(plain, data).hex()} {apdu(secured, maced(secured, data, travels)).hex()}")
    return lines


if __name__ == "__main__":
    print("# Secure channels that nobody has published, in the form of secure_channel.txt. Made by")
    print("# make_secure_channel.py. If a test fails, do not change this file.")
    host = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    for number, length in enumerate((16, 24, 32)):
        print("\n" + "\n".join(scp03_s16(length, host, number.to_bytes(3, "big"))))
    print("\n" + "\n".join(scp02_i55(host[:8], bytes.fromhex("00FE"))))
