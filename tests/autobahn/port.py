"""Installs the Autobahn test suite as Python 3 code, without what it has for WAMP: port.py autobahntestsuite.tar.gz.

The suite's byte strings are Python 2's. Its files are read as Latin-1, so that each of them becomes a string whose
characters are the same octets, and stays one; the two boundaries where octets are needed, to autobahn (which knows
Python 3) and to the standard library, convert.
"""

import pathlib
import re
import sys
import sysconfig
import tarfile

PACKAGE = "autobahntestsuite"
# It is left out of the suite's list of cases, too.
ABANDONED = "case/case9_9_1.py"

# What differs in every file alike.
SYNTAX = [
    (r"^(\s*)print (.+)$", r"\1print(\2)"),
    (r"^(\s*)print$", r"\1print()"),
    (r"^from (case\w*|caseset|report) import", r"from .\1 import"),
    (r"^from \.case9_9_1 import \*\n", ""),
    (r"([\w.\[\]]+)\.has_key\(([^)]*)\)", r"(\2 in \1)"),
    (r"except (\w+), (\w+):", r"except \1 as \2:"),
    (r"\(object, Case, \)", "(Case, )"),
    (r"\bxrange\(", "range("),
    (r"\bunichr\(", "chr("),
]

INIT = '''\
"""The Autobahn test suite in Python 3; where it came from is in the folder of the environment."""

import binascii

from ._version import __version__

version = __version__


def characters(octets):
    return octets.decode("latin-1") if isinstance(octets, (bytes, bytearray)) else octets


def octets(characters):
    return characters.encode("latin-1") if isinstance(characters, str) else characters


def b2a_hex(data, b2a_hex=binascii.b2a_hex):
    return b2a_hex(octets(data)).decode()


# The cases call it by its full name, in a dozen files.
binascii.b2a_hex = b2a_hex
'''

MAIN = '''\
"""Runs the cases that a JSON file asks for: against the servers it names, or as a server for clients."""

import json
import sys

from twisted.internet import reactor
from twisted.python import log

from . import fuzzing

log.startLogging(sys.stdout)
with open(sys.argv[1]) as specification:
    wanted = json.load(specification)
if "servers" in wanted:
    fuzzing.startClient(wanted)
else:
    # 0: no pages beside the WebSocket.
    fuzzing.startServer(wanted, 0)
reactor.run()
'''

# Sits between the cases, which send characters, and autobahn, which sends octets.
PROTOCOL = """\
class FuzzingProtocol:

   def sendFrame(self, opcode, payload = b"", fin = True, rsv = 0, mask = None, payload_len = None, *how, **named):
      payload = octets(payload)
      if payload_len is not None:
         payload = (payload * (payload_len // len(payload) + 1))[:payload_len]
      super().sendFrame(opcode, payload, fin, rsv, octets(mask), None, *how, **named)

   def sendMessage(self, payload, *how, **named):
      super().sendMessage(octets(payload), *how, **named)

   def sendMessageFrame(self, payload, *how, **named):
      return super().sendMessageFrame(octets(payload), *how, **named)

   def sendMessageFrameData(self, payload, *how, **named):
      return super().sendMessageFrameData(octets(payload), *how, **named)

   def sendPing(self, payload = None):
      super().sendPing(octets(payload))

   def sendPong(self, payload = None):
      super().sendPong(octets(payload))

   def sendCloseFrame(self, code = None, reasonUtf8 = None, isReply = False):
      super().sendCloseFrame(code, octets(reasonUtf8), isReply)
"""

# What differs in one file only: pieces of its text, after SYNTAX, and what they become.
PIECES = {
    "case/case.py": [
        # Python 3 pickles what is equal in different ways.
        ("return pickle.dumps(obj1) == pickle.dumps(obj2)", "return obj1 == obj2"),
    ],
    "case/case6_x_x.py": [
        ("v.validate(vss[:i])", "v.validate(vss[:i].encode('latin-1'))"),
    ],
    "case/case10_1_1.py": [
        ("len(self.payload) / self.p.autoFragmentSize", "len(self.payload) // self.p.autoFragmentSize"),
    ],
    "case/case12_x_x.py": [
        (
            "   m = hashlib.sha1()\n   m.update(msg)\n   received_hash",
            "   msg = msg.encode('latin-1')\n   m = hashlib.sha1()\n   m.update(msg)\n   received_hash",
        ),
        # Text or octets, whichever the payload is.
        ("      msg = ''\n", "      msg = payload[:0]\n"),
    ],
    "fuzzing.py": [
        ("def binLogData(", "from . import characters, octets\n\n\ndef binLogData("),
        (
            'class FuzzingProtocol:\n   """\n'
            '   Common mixin-base class for fuzzing server and client protocols.\n   """\n',
            PROTOCOL,
        ),
        ('   ellipses = " ..."\n   try:', '   ellipses = b" ..."; data = octets(data)\n   try:'),
        ("''.join(payload)", "b''.join(payload)"),
        ("self.runCase.onMessage(msg, binary)", "self.runCase.onMessage(characters(msg), binary)"),
        ("self.runCase.onPong(payload)", "self.runCase.onPong(characters(payload))"),
        ("self.http_request_data if", "characters(self.http_request_data) if"),
        ("self.http_response_data if", "characters(self.http_response_data) if"),
        # A text message, not octets.
        ("json.dumps(len(self.factory.specCases))", "str(len(self.factory.specCases))"),
        ("separators = (',', ': ')", "separators = (',', ': '), default = characters"),
        ('pl.encode("UTF-8")', "pl"),
        (').encode("utf-8"))', "))"),
        ("ll.encode('utf8')", "ll"),
        ("report_filename), 'w')", "report_filename), 'w', encoding = 'utf-8')"),
    ],
}


def port(name, source):
    """The Python 3 text of one of the suite's files."""
    # The first line that names a coding wins.
    text = "# -*- coding: latin-1 -*-\n" + source.replace("\r\n", "\n")
    for pattern, becomes in SYNTAX:
        text = re.sub(pattern, becomes, text, flags=re.M)
    for piece, becomes in PIECES.get(name, []):
        assert piece in text, f"{name} is not the text that this was written for: {piece!r} is missing"
        text = text.replace(piece, becomes)
    return text


def styles(source):
    """The style sheets and scripts of the reports; the rest of report.py takes packages that nothing else needs."""
    return "\n".join(re.findall(r'^(?:CSS|JS)_\w+ = """.*?"""', source, re.M | re.S))


def install(archive, folder):
    for member in archive.getmembers():
        # The first folder is the name with the version.
        _, _, name = member.name.partition(f"/{PACKAGE}/")
        is_case = name.startswith("case/") and name.endswith(".py") and name != ABANDONED
        is_wanted = is_case or name in ("caseset.py", "fuzzing.py", "report.py", "_version.py")
        if not member.isfile() or not (is_wanted or name.startswith("testdata/")):
            continue
        content = archive.extractfile(member).read()
        if name == "report.py":
            content = styles(content.decode("latin-1")).encode("latin-1")
        elif is_wanted:
            content = port(name, content.decode("latin-1")).encode("latin-1")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "__init__.py").write_text(INIT)
    (folder / "__main__.py").write_text(MAIN)


if __name__ == "__main__":
    with tarfile.open(sys.argv[1]) as suite:
        install(suite, pathlib.Path(sysconfig.get_paths()["purelib"]) / PACKAGE)
