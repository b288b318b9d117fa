"""A terminal's test against a card that `purse card serve --image card.img --listen 127.0.0.1:9000` runs.

    python3 examples/served_card.py 127.0.0.1:9000
"""
import socket, struct, sys

host, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9000").rsplit(":", 1)
card = socket.create_connection((host, int(port)))
send = lambda payload: card.sendall(struct.pack(">H", len(payload)) + payload)
receive = lambda: card.recv(struct.unpack(">H", card.recv(2, socket.MSG_WAITALL))[0], socket.MSG_WAITALL)
send(b"\x01")  # power on; 00 is power off, 02 reset, 04 asks for the ATR
send(bytes.fromhex("00A4040006F05055525345"))
answer = receive()
assert answer.endswith(b"\x90\x00"), answer.hex()
print("FCI", answer.hex().upper())
