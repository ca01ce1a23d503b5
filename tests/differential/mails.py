#!/usr/bin/env python3
"""Mails made by construction, for tests/it/differential.rs: charset by encoding by place, shapes of
headers, and containers by file name by disposition. Written as JSON to standard output: name and
octets (base64) of each. Nothing is random, so that a difference can be named.
"""

import base64
import json
import quopri
import urllib.parse

mails = []


def add(name, *lines):
    octets = b"".join(
        (line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines
    )
    mails.append({"name": name, "octets": base64.b64encode(octets).decode()})


FROM = "From: Ann Lee <ann@a.example>"
TO = "To: Bob <bob@b.example>"
DATE = "Date: Mon, 2 Nov 2026 10:00:00 +0000"
USUAL = [FROM, TO, DATE]

# The label of mail, CPython's codec, and a text that the charset has.
CHARSETS = [
    ("us-ascii", "ascii", "plain words"),
    ("utf-8", "utf-8", "Grüße, 日本 und Привет"),
    ("iso-8859-1", "latin-1", "Grüße aus Köln"),
    ("iso-8859-2", "iso8859-2", "Žluťoučký kůň"),
    ("iso-8859-5", "iso8859-5", "Привет мир"),
    ("iso-8859-7", "iso8859-7", "Καλημέρα κόσμε"),
    ("iso-8859-8", "iso8859-8", "שלום עולם"),
    ("iso-8859-9", "iso8859-9", "Günaydın dünya"),
    ("iso-8859-15", "iso8859-15", "10 € für Œuvre"),
    ("windows-1250", "cp1250", "Žluťoučký kůň"),
    ("windows-1251", "cp1251", "Привет, мир"),
    ("windows-1252", "cp1252", "10 € – “quoted”"),
    ("windows-1253", "cp1253", "Καλημέρα κόσμε"),
    ("windows-1255", "cp1255", "שלום עולם"),
    ("windows-1256", "cp1256", "مرحبا بالعالم"),
    ("koi8-r", "koi8-r", "Привет, мир"),
    ("koi8-u", "koi8-u", "Привіт, світе"),
    ("shift_jis", "cp932", "日本語のテスト"),
    ("euc-jp", "euc-jp", "日本語のテスト"),
    ("iso-2022-jp", "iso-2022-jp", "日本語のテスト"),
    ("gb2312", "gb2312", "你好，世界"),
    ("gbk", "gbk", "你好，世界"),
    ("gb18030", "gb18030", "你好，世界"),
    ("big5", "big5", "你好，世界"),
    ("euc-kr", "euc-kr", "안녕하세요 세계"),
    ("ks_c_5601-1987", "euc-kr", "안녕하세요 세계"),
    ("cp437", "cp437", "Ångström ½"),
    ("ibm850", "cp850", "café crème"),
    ("ibm866", "cp866", "Привет, мир"),
    ("macintosh", "mac-roman", "café crème"),
    ("utf-16be", "utf-16-be", "Grüße, 日本"),
    ("utf-7", "utf-7", "Grüße, 日本"),
    ("hz-gb-2312", "hz", "你好，世界"),
    ("iso-2022-kr", "iso-2022-kr", "안녕하세요"),
    ("johab", "johab", "안녕하세요"),
    ("utf-32be", "utf-32-be", "Grüße"),
]


def q_word(octets):
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return "".join(chr(c) if c in plain else "_" if c == 32 else f"={c:02X}" for c in octets)


def charsets():
    for label, codec, text in CHARSETS:
        octets = text.encode(codec)
        packed = base64.b64encode(octets).decode()
        quoted = quopri.encodestring(octets).replace(b"\n", b"\r\n")
        percent = urllib.parse.quote(octets, safe="")
        kind = f"Content-Type: text/plain; charset={label}"
        version = "MIME-Version: 1.0"

        def named(field):
            return [*USUAL, "Subject: s", version, "Content-Type: multipart/mixed; boundary=b", "",
                    "--b", "Content-Type: text/plain", "", "x", "--b",
                    "Content-Type: application/pdf", field, "Content-Transfer-Encoding: base64", "",
                    "JVBERi0=", "--b--"]

        base = f"charset {label}"
        add(f"{base} body base64", *USUAL, "Subject: s", version, kind,
            "Content-Transfer-Encoding: base64", "", packed)
        add(f"{base} body quoted-printable", *USUAL, "Subject: s", version, kind,
            "Content-Transfer-Encoding: quoted-printable", "", quoted)
        if not label.startswith("utf-16") and not label.startswith("utf-32"):
            add(f"{base} body 8bit", *USUAL, "Subject: s", version, kind,
                "Content-Transfer-Encoding: 8bit", "", octets)
        add(f"{base} html base64", *USUAL, "Subject: s", version,
            f"Content-Type: text/plain; charset=\"{label.upper()}\"",
            "Content-Transfer-Encoding: BASE64", "", packed)
        add(f"{base} subject B", *USUAL, f"Subject: =?{label}?B?{packed}?=", "", "x")
        add(f"{base} subject Q", *USUAL, f"Subject: =?{label}?Q?{q_word(octets)}?=", "", "x")
        add(f"{base} sender B", f"From: =?{label}?B?{packed}?= <ann@a.example>", TO, DATE,
            "Subject: s", "", "x")
        add(f"{base} name 2231", *named(
            f"Content-Disposition: attachment; filename*={label}''{percent}.pdf"))
        add(f"{base} name 2047", *named(
            f"Content-Disposition: attachment; filename=\"=?{label}?B?{packed}?=.pdf\""))


def dates():
    for value in [
        "Mon, 02 Nov 2026 10:00:00 +0000", "2 Nov 2026 10:00:00 +0000", "2 Nov 26 10:00 GMT",
        "Mon, 2 Nov 2026 05:00:00 EST", "Mon, 2 Nov 2026 11:00:00 +0100 (CET)",
        "Mon, 2 Nov 2026 12:00:00 +0200 (Eastern (European) Time)", "Mon,2 Nov 2026 10:00:00 -0000",
        "Mon, 2 Nov 2026 10:00:00 UT", "Mon, 2 Nov 2026 10:00:00 Z", "(c) Mon, 2 Nov 2026 10:00:00 GMT",
        "Mon, 2 Nov 2026 10:00:00", "02 November 2026 10:00:00 +0000", "Mon Nov  2 10:00:00 2026",
        "2026-11-02T10:00:00Z", "2026-11-02T11:00:00+01:00", "Mon, 2 Nov 2026 10:00:00 GMT+0200",
        "Mon, 2 Nov 2026 12:00:00 GMT+2", "Mon, 2 Nov 2026 10:00:00 PM", "Mon, 2 Nov 2026 10:00:00 +100",
        "11/02/2026 10:00:00", "yesterday", "", "Mon, 31 Feb 2026 10:00:00 +0000",
        "Mon, 2 Nov 2026 25:00:00 +0000", "Mon, 2 Nov 2026 10:00:00 MET", "Mon, 2 Nov 2026 10:00:00 XYZ",
        "Mon, 2 Nov 2026 10:00:60 +0000", "Mar, 3 Nov 2026 10:00:00 +0000",
        "Mon, 2 Nov 2026 10:00:00 +0000 (unclosed", "=?utf-8?Q?Mon,_2_Nov_2026_10:00:00_+0000?=",
    ]:
        add(f"date {value}", FROM, TO, f"Date: {value}", "Subject: s", "", "x")


def addresses():
    for value in [
        "bob@b.example", "<bob@b.example>", "Bob <bob@b.example>", '"Bob" <bob@b.example>',
        '"Lee, Bob" <bob@b.example>', "Bob Lee <bob@b.example>, carl@c.example",
        "bob@b.example (Bob Lee)", '"Bob \\"the\\" Lee" <bob@b.example>',
        "Team: bob@b.example, Carl <carl@c.example>;", "undisclosed-recipients:;",
        "=?utf-8?Q?J=C3=B6rg?= <bob@b.example>", '"=?utf-8?Q?J=C3=B6rg?=" <bob@b.example>',
        "=?utf-8?Q?Lee=2C_J=C3=B6rg?= <bob@b.example>", "Bob.Lee <bob@b.example>",
        '"bob lee"@b.example', "<@r.example:bob@b.example>", "Bob <bob@b.example>,",
        ",, bob@b.example", "Foo, Bob <bob@b.example>", "Bob Lee <bob@b.example> (work)",
        "bob@[192.0.2.1]", "Bob bob@b.example", "Bob <bob@b.example", "(c)bob(c)@(c)b.example",
        "bob . lee @ b . example", "Jörg <bob@b.example>", "bob@b.example; carl@c.example",
        "=?iso-8859-1?Q?J=F6rg?= =?iso-8859-1?Q?_Lee?= <bob@b.example>", "Bob\r\n <bob@b.example>",
        "\"Bob\r\n Lee\" <bob@b.example>", "'Bob' <bob@b.example>", "bob@bücher.example", "",
    ]:
        add(f"to {value}", FROM, f"To: {value}", DATE, "Subject: s", "", "x")


def subjects():
    for value in [
        "plain", "", "  spaces  around ", "folded\r\n line", "folded\r\n\ttab", "a: colon", "Grüße",
        "=?utf-8?Q?a?= =?utf-8?Q?b?=", "=?utf-8?Q?a?= b =?utf-8?Q?c?=", "=?utf-8?q?caf=c3=a9?=",
        "=?utf-8?B?Y2Fmw6k?=", "=?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "=?utf-8?Q?two words?=",
        "=?utf-8*en?Q?caf=C3=A9?=", "=?utf-8?Q??=", "x=?utf-8?Q?y?=", "=?utf-8?Q?y?=z",
        "=?utf-8?X?y?=", "=?utf-8?Q?open", "=?UTF-8?B?4oKs?=\r\n =?UTF-8?B?4oKs?=",
        "=?iso-8859-1?Q?=E9?= =?utf-8?Q?=C3=A9?=", "=?utf-8?Q?a_b=20c?=", "=?utf-8?Q?what??=",
        "(=?utf-8?Q?a?=)", '"=?utf-8?Q?a?="', "=?us-ascii?Q?=E9?=", "=?nowhere?Q?abc?=",
    ]:
        add(f"subject {value}", *USUAL, f"Subject: {value}", "", "x")


def fields():
    body = ["", "the body"]
    add("field bom", b"\xef\xbb\xbf" + FROM.encode(), TO, DATE, "Subject: s", *body)
    add("field mbox", "From ann@a.example Mon Nov  2 10:00:00 2026", *USUAL, "Subject: s", *body)
    add("field blank line of spaces", "   ", *USUAL, "Subject: s", *body)
    add("field space before colon", "From : Ann Lee <ann@a.example>", TO, DATE, "Subject : s", *body)
    add("field capitals", FROM.upper(), TO, DATE, "SUBJECT: s", *body)
    add("field twice", *USUAL, "Subject: first", "Subject: second", *body)
    add("field none", "", "the body")
    add("field raw koi8-r", *USUAL, b"Subject: \xf0\xd2\xc9\xd7\xc5\xd4",
        "Content-Type: text/plain; charset=koi8-r", "", b"\xf0\xd2\xc9\xd7\xc5\xd4")
    add("field raw utf-8 beside koi8-r", *USUAL, "Subject: Žluťoučký",
        "Content-Type: text/plain; charset=koi8-r", "", b"\xf0\xd2\xc9\xd7\xc5\xd4")
    for value in [
        "text/plain; charset=utf-8", "text/plain; charset=\"utf-8\"", "TEXT/PLAIN; CHARSET=UTF-8",
        "text/plain; charset=utf-8; format=fixed", "text/plain;charset=utf-8", "text/plain ; charset = utf-8",
        "text/plain; charset=utf-8 (comment)", "text/plain; (comment) charset=utf-8",
        "text/plain; charset*=utf-8''utf-8", "text/plain;\r\n charset=utf-8", "text/plain; charset='utf-8'",
        "text/plain, charset=utf-8", "text/plain charset=utf-8", "text/plain; charset=utf-8;", "text",
        "text/plain; charset=utf-8; charset=iso-8859-1", "text/plain; charset=utf8",
    ]:
        add(f"type {value}", *USUAL, "Subject: s", f"Content-Type: {value}",
            "Content-Transfer-Encoding: 8bit", "", "Grüße")


NAMES = [
    ("quoted", 'filename="a b.pdf"'), ("token", "filename=a.pdf"), ("spaces", "filename=a b.pdf"),
    ("parentheses", "filename=a (1).pdf"), ("quoted parentheses", 'filename="a (1).pdf"'),
    ("extended", "filename*=utf-8''n%C3%A9.pdf"), ("extended latin", "filename*=iso-8859-1'fr'n%E9.pdf"),
    ("both", "filename=old.pdf; filename*=utf-8''n%C3%A9.pdf"),
    ("pieces", 'filename*0="a"; filename*1="b.pdf"'),
    ("encoded pieces", "filename*0*=utf-8''n%C3; filename*1*=%A9.pdf"),
    ("pieces in disorder", 'filename*1="b.pdf"; filename*0="a"'),
    ("word", 'filename="=?utf-8?Q?n=C3=A9.pdf?="'), ("words", 'filename="=?utf-8?Q?a?= =?utf-8?Q?b.pdf?="'),
    ("semicolon", 'filename="a;b.pdf"'), ("escaped", 'filename="a\\"b.pdf"'), ("raw", 'filename="né.pdf"'),
    ("star without charset", "filename*=a.pdf"), ("path", 'filename="C:\\\\temp\\\\a.pdf"'),
]
DISPOSITIONS = ["attachment", "inline"]
CONTAINERS = ["mixed", "alternative", "related", "mixed in mixed"]


def containers():
    for container in CONTAINERS:
        for disposition in DISPOSITIONS:
            for what, name in NAMES:
                kind = container.split()[0]
                part = ["--b", "Content-Type: application/pdf",
                        f"Content-Disposition: {disposition}; {name}",
                        "Content-Transfer-Encoding: base64", "", "JVBERi0="]
                text = ["--b", "Content-Type: text/plain; charset=utf-8", "", "Grüße"]
                if " " in container:
                    text = ["--b", "Content-Type: multipart/mixed; boundary=c", "", "--c",
                            *text[1:], "--c--"]
                add(f"container {container} {disposition} {what}", *USUAL, "Subject: s",
                    "MIME-Version: 1.0", f"Content-Type: multipart/{kind}; boundary=b", "", *text,
                    *part, "--b--")
    for what, name in NAMES:
        value = name.replace("filename", "name")
        add(f"container type {what}", *USUAL, "Subject: s", "MIME-Version: 1.0",
            "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/plain", "", "x",
            "--b", f"Content-Type: application/pdf; {value}", "", "y", "--b--")
    for boundary in ['"b"', "b", '"a b"', "b_(1)", "'b'", '"b="', "a:b", "=_b"]:
        bare = boundary.strip('"')
        add(f"boundary {boundary}", *USUAL, "Subject: s", "MIME-Version: 1.0",
            f"Content-Type: multipart/mixed; boundary={boundary}", "", "preamble", f"--{bare}", "", "x",
            f"--{bare}", "Content-Type: application/pdf; name=a.pdf", "", "y", f"--{bare}--", "end")


charsets()
dates()
addresses()
subjects()
fields()
containers()
print(json.dumps(mails))
