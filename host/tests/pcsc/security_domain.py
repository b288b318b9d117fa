#!/usr/bin/env python3
"""Drives the issuer security domain of a card with the security-domain client of
yubikey-manager (yubikit.securitydomain), through pcscd.

    security_domain.py READER [AID...] [--trace]

READER is the reader's name, each AID (hexadecimal) one that GET STATUS must list. The card
must have the keys of sample cards (404142..4F) as version FF, and ends with random keys as
version 01: run it on a fresh card. Ends with 0 if all is as it should be; else it says what
is not.

The client asks by the ATR whether a reader takes extended APDUs, and for a card of ours
chooses short ones: in a secure channel it takes no others.
"""

import argparse
import os
import sys

from smartcard.System import readers
from ykman.pcsc import ScardSmartCardConnection
from yubikit.core import ApplicationNotAvailableError, Tlv
from yubikit.core.smartcard import AID, SW, ApduError, ScpProcessor
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, ScpState, StaticKeys
from yubikit.securitydomain import SecurityDomainSession

INS_GET_STATUS = 0xF2
INS_PUT_KEY = 0xD8
INS_EXTERNAL_AUTHENTICATE = 0x82
INITIAL = 0xFF


def check(holds, what):
    """Not `assert`, which `python -O` leaves out."""
    if not holds:
        raise AssertionError(what)


def say(what):
    print("ok:", what, flush=True)


class Recorded(ScardSmartCardConnection):
    """A connection to any PC/SC reader. It checks what the client itself does not: within a
    session of level 33h, an answer that is not an error has an R-MAC, also one without data
    (the client takes a bare 9000), and an error has none."""

    def __init__(self, connection, trace):
        super().__init__(connection)
        self._trace = trace
        self.log = []

    def send_and_receive(self, apdu):
        data, sw = super().send_and_receive(apdu)
        self.log.append((bytes(apdu), data, sw))
        if self._trace:
            print(f">> {apdu.hex()}\n<< {data.hex()} {sw:04x}", file=sys.stderr, flush=True)
        if apdu[0] & 0x04 and apdu[1] != INS_EXTERNAL_AUTHENTICATE:
            if sw == SW.OK or sw >> 8 in (0x62, 0x63):
                check(len(data) >= 8, f"{apdu.hex()}: an answer without R-MAC")
            elif sw >> 8 != 0x61:
                check(not data, f"{apdu.hex()}: an error {sw:04x} with data")
        return data, sw


def connect(name, trace):
    """Opens the reader of this name."""
    for reader in readers():
        if str(reader) == name:
            return Recorded(reader.createConnection(), trace)
    raise SystemExit(f"no reader is called {name}")


def refused(what, action, *errors):
    """The action fails with one of these, which it returns."""
    try:
        action()
    except errors as error:
        say(f"{what}: refused ({error})")
        return error
    raise AssertionError(f"{what}: not refused")


def versions(session):
    """The versions of the key sets for SCP03, each of which has its three keys."""
    keys = session.get_key_information()
    for ref, components in keys.items():
        check(components == {0x88: 16}, f"{ref}: not AES-128: {components}")
    found = {ref.kvn for ref in keys}
    for kvn in found:
        kids = {ref.kid for ref in keys if ref.kvn == kvn}
        check(kids == {1, 2, 3}, f"key set {kvn:02X} has the keys {kids}")
    return found


def opened(connection, kvn, keys):
    """Selects the domain and authenticates at level 33h."""
    session = SecurityDomainSession(connection)
    session.authenticate(Scp03KeyParams(KeyRef(1, kvn), keys))
    # The client does not look at the status of EXTERNAL AUTHENTICATE; here it is.
    command, data, sw = connection.log[-1]
    check(command[:4] == bytes.fromhex("84823300"), f"not at level 33: {command.hex()}")
    check((data, sw) == (b"", SW.OK), f"EXTERNAL AUTHENTICATE: {data.hex()} {sw:04x}")
    return session


def status(session, p1):
    """GET STATUS: a map from AID to the other tags."""
    found = session.protocol.send_apdu(0x80, INS_GET_STATUS, p1, 2, b"\x4f\x00")
    entries = {}
    for entry in Tlv.parse_list(found):
        check(entry.tag == 0xE3, f"GET STATUS: tag {entry.tag:X}")
        tags = Tlv.parse_dict(entry.value)
        check(0x4F in tags and len(tags.get(0x9F70, b"")) == 1, f"GET STATUS: {entry!r}")
        entries[tags.pop(0x4F)] = tags
    return entries


def random_keys():
    return StaticKeys(*(os.urandom(16) for _ in range(3)))


def wrong_cryptogram(session, params):
    """EXTERNAL AUTHENTICATE with a right C-MAC and a wrong host cryptogram: its status.
    The client cannot do it, as it stops at a card cryptogram that is wrong."""
    protocol = session.protocol
    state, cryptogram = ScpState.scp03_init(protocol.send_apdu, params)
    base, formatter = protocol._build_base_processor()
    wrong = cryptogram[:-1] + bytes([cryptogram[-1] ^ 1])
    return ScpProcessor(base, formatter, state).send_apdu(
        0x84, INS_EXTERNAL_AUTHENTICATE, 0x33, 0, wrong, 0, encrypt=False
    )


def put_with_wrong_check_value(session, kvn, old):
    """PUT KEY, the last of whose check values is wrong."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    def encrypt(key, block):
        cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
        return cipher.update(block) + cipher.finalize()

    data = bytes([kvn])
    for key in random_keys():
        data += Tlv(0x88, encrypt(old.key_dek, key)) + b"\x03" + encrypt(key, b"\x01" * 16)[:3]
    data = data[:-1] + bytes([data[-1] ^ 1])
    session.protocol.send_apdu(0x80, INS_PUT_KEY, 0, 0x81, data)


def run(card, names):
    first, default = INITIAL, StaticKeys.default()

    answer = card.send_and_receive(bytes.fromhex("00a4040008") + AID.SECURE_DOMAIN)
    check(answer[1] == SW.OK, f"SELECT: {answer[1]:04x}")
    check(Tlv(answer[0]).tag == 0x6F, "SELECT: an FCI")
    session = SecurityDomainSession(card)
    say("the issuer security domain is selected")

    before = versions(session)
    check(before == {first}, f"key sets {before}: not a fresh card")
    oids = [tlv.tag for tlv in Tlv.parse_list(session.get_card_recognition_data())]
    check(oids[:1] == [0x06] and 0x64 in oids, f"card recognition data: {oids}")
    say(f"key information and card recognition data, in the open: key set {first:02X}")
    refused("GET STATUS in the open", lambda: status(session, 0x80), ApduError)

    # Wrong keys: the card's cryptogram is wrong for them, and no session comes of it.
    params = Scp03KeyParams(KeyRef(1, first), random_keys())
    refused("wrong keys", lambda: session.authenticate(params), ValueError)
    refused("GET STATUS after them", lambda: status(session, 0x80), ApduError)
    params = Scp03KeyParams(KeyRef(1, 0x6E), default)
    refused("a version that is not there", lambda: session.authenticate(params), ValueError)
    data, sw = wrong_cryptogram(session, Scp03KeyParams(KeyRef(1, first), default))
    check(sw != SW.OK and not data, f"a wrong host cryptogram: {data.hex()} {sw:04x}")
    say(f"a wrong host cryptogram: refused ({sw:04x})")
    refused("GET STATUS after it", lambda: status(session, 0x80), ApduError)

    session = opened(card, first, default)
    say("authenticated at level 33 with the default keys")
    domain = status(session, 0x80)
    check(AID.SECURE_DOMAIN in domain and len(domain) == 1, f"GET STATUS 80: {domain}")
    say(f"GET STATUS 80: life cycle {domain[AID.SECURE_DOMAIN][0x9F70].hex()}")
    applications = status(session, 0x40)
    for aid in names:
        check(aid in applications, f"GET STATUS 40: no {aid.hex()} in {applications}")
    say(f"GET STATUS 40: {[aid.hex() for aid in applications]}")
    check(versions(session) == {first}, "key information in the session")

    # An error does not end the session, but advances its counters.
    refused(
        "PUT KEY with a wrong check value",
        lambda: put_with_wrong_check_value(session, 1, default),
        ApduError,
    )
    check(versions(session) == {first}, "a refused PUT KEY changes nothing")

    one = random_keys()
    session.put_key(KeyRef(1, 1), one, first)
    say(f"PUT KEY: key set 01 replaces {first:02X}, and its check values are right")
    session = opened(card, 1, one)
    check(versions(session) == {1}, "key set 01 alone")
    say("authenticated with key set 01")
    params = Scp03KeyParams(KeyRef(1, first), default)
    refused("the old keys", lambda: session.authenticate(params), ValueError, ApduError)
    session = opened(card, 0, one)
    say("authenticated with version 00, which means any")

    two = random_keys()
    session.put_key(KeyRef(1, 2), two)
    check(versions(session) == {1, 2}, f"two key sets: {versions(session)}")
    say("PUT KEY: key set 02 is there too")
    opened(card, 2, two)
    say("authenticated with key set 02")

    session = opened(card, 1, one)
    session.delete_key(kvn=2)
    check(versions(session) == {1}, "key set 02 is gone")
    refused("to delete it again", lambda: session.delete_key(kvn=2), ApduError)
    params = Scp03KeyParams(KeyRef(1, 2), two)
    refused("deleted keys", lambda: session.authenticate(params), ValueError, ApduError)
    session = opened(card, 1, one)
    check(AID.SECURE_DOMAIN in status(session, 0x80), "the domain is still there")
    say("DELETE: key set 02 is gone, 01 works on")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("reader")
    parser.add_argument("aid", nargs="*", type=bytes.fromhex, help="what GET STATUS must list")
    parser.add_argument("--trace", action="store_true", help="the APDUs, to standard error")
    arguments = parser.parse_args()
    card = connect(arguments.reader, arguments.trace)
    with card:
        try:
            run(card, arguments.aid)
        except (AssertionError, ApduError, ApplicationNotAvailableError, ValueError) as error:
            command, data, sw = card.log[-1]
            last = f"last: {command.hex()} -> {data.hex()} {sw:04x}"
            raise SystemExit(f"{type(error).__name__}: {error}\n{last}") from error
    say(f"{len(card.log)} APDUs")


if __name__ == "__main__":
    main()
