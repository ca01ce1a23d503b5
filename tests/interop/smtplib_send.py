"""Sends mail with Python's smtplib and leaves beside it, octet for octet, what it sent.

Usage: smtplib_send.py HOST PORT FOLDER
"""

import pathlib
import smtplib
import sys
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

host, port, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])


def message(subject, policy=SMTP):
    mail = EmailMessage(policy=policy)
    mail["From"] = "Ann <ann@example.org>"
    mail["To"] = "Bob <bob@example.org>"
    mail["Date"] = "Fri, 20 Nov 2026 12:00:00 +0000"
    mail["Message-ID"] = f"<{subject.replace(' ', '-')}@example.org>"
    mail["Subject"] = subject
    return mail


def plain():
    mail = message("smtplib plain")
    mail.set_content("Hello,\n.a line with a dot\n..two dots\n.\nthe end\n")
    return mail.as_bytes(), {}


def unicode():
    mail = message("smtplib unicode", SMTPUTF8)
    mail["Cc"] = "Jürgen <jürgen@exämple.org>"
    mail.set_content("Grüße, 你好, Привет ✉\n")
    return mail.as_bytes(), {"mail_options": ["SMTPUTF8", "BODY=8BITMIME"]}


def eight_bit():
    head = message("smtplib eight bit").as_bytes().rstrip(b"\r\n") + b"\r\n"
    head += b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n"
    return head + b"\r\nGr\xfc\xdfe und \xe9t\xe9\r\n", {"mail_options": ["BODY=8BITMIME"]}


def many_attachments():
    mail = message("smtplib many attachments")
    mail.set_content("see attachments\n")
    for number in range(12):
        mail.add_attachment(
            bytes(range(256)) * number,
            maintype="application",
            subtype="octet-stream",
            filename=f"Anlage № {number}.bin",
        )
    return mail.as_bytes(), {}


def large():
    mail = message("smtplib large")
    mail.set_content("a large one\n")
    mail.add_attachment(bytes(range(256)) * 32_768, maintype="application", subtype="zip", filename="a.zip")
    return mail.as_bytes(), {}


with smtplib.SMTP(host, port, timeout=60) as client:
    client.ehlo("smtplib.example.org")
    for make in plain, unicode, eight_bit, many_attachments, large:
        octets, options = make()
        client.sendmail("ann@example.org", ["bob@example.org", "carol@example.org"], octets, **options)
        (folder / f"{make.__name__}.eml").write_bytes(octets)
