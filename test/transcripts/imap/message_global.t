# IMAP4rev1 knows no message/global: a leaf in BODYSTRUCTURE, and nothing inside of it has a number.
message M
From: MAILER-DAEMON@example.org
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="bb"
Content-Transfer-Encoding: 8bit

--bb
Content-Description: Notification
Content-Type: text/plain; charset=utf-8

It failed.
--bb
Content-Type: message/global-delivery-status

Reporting-MTA: dns; mx.example.org
--bb
Content-Description: Undelivered Message
Content-Type: message/global
Content-Transfer-Encoding: 8bit

From: jürgen@example.test
Subject: grüß dich

x
--bb--
end
login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX {${length_M}+}
C- ${M}\r\n
S~ b OK {{.*}} Appended
C: c FETCH 1 (BODY BODYSTRUCTURE)
S: * 1 FETCH (BODY (("text" "plain" ("charset" "utf-8") NIL "Notification" "7bit" 10 0)("message" "global-delivery-status" NIL NIL NIL "7bit" 34)("message" "global" NIL NIL "Undelivered Message" "8bit" 53) "report") BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL "Notification" "7bit" 10 0 NIL NIL NIL NIL)("message" "global-delivery-status" NIL NIL NIL "7bit" 34 NIL NIL NIL NIL)("message" "global" NIL NIL "Undelivered Message" "8bit" 53 NIL NIL NIL NIL) "report" ("report-type" "delivery-status" "boundary" "bb") NIL NIL NIL))
S: c OK Fetched
C: d FETCH 1 (BODY.PEEK[3.1] BODY.PEEK[3.HEADER] BODY.PEEK[3.TEXT] BODY.PEEK[2])
S: * 1 FETCH (BODY[3.1] NIL BODY[3.HEADER] NIL BODY[3.TEXT] NIL BODY[2] {34}
S: Reporting-MTA: dns; mx.example.org)
S: d OK Fetched
C: e FETCH 1 (BODY.PEEK[3]<0.25>)
S: * 1 FETCH (BODY[3]<0> {25}
S~ e OK Fetched
# What is inside is still found.
C: f SEARCH CHARSET UTF-8 TEXT {11+}
C: grüß dich
S: * SEARCH 1
S: f OK Searched
