message M
From: a@example.org
Subject: Parts
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

Before.
--b
Content-Type: text/plain; charset=us-ascii

First part.
--b
Content-Type: message/rfc822

Subject: Inner

Inner text.
--b
Content-Type: application/octet-stream; name="x.bin"
Content-Transfer-Encoding: base64

AAEC
--b--
end
login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX {${length_M}+}
C- ${M}\r\n
S~ b OK {{.*}} Appended
C: c FETCH 1 BODY
S: * 1 FETCH (BODY (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 11 {{[01]}})("message" "rfc822" NIL NIL NIL "7bit" 29 (NIL "Inner" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" {{.*}} NIL NIL "7bit" 11 {{[01]}}) {{[0-9]}})("application" "octet-stream" ("name" "x.bin") NIL NIL "base64" 4) "mixed"))
S: c OK Fetched
C: d FETCH 1 BODY.PEEK[1]
S: * 1 FETCH (BODY[1] {11}
S: First part.)
S: d OK Fetched
C: e FETCH 1 (BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT])
S: * 1 FETCH (BODY[2.HEADER] {18}
S: Subject: Inner
S: 
S:  BODY[2.TEXT] {11}
S: Inner text.)
S: e OK Fetched
C: f FETCH 1 (BODY.PEEK[3.MIME] BODY.PEEK[2.1] BODY.PEEK[1.HEADER])
S~ Content-Transfer-Encoding: base64
S: 
S:  BODY[2.1] {11}
S: Inner text. BODY[1.HEADER] NIL)
S: f OK Fetched
C: g FETCH 1 BODY.PEEK[]<0.4>
S: * 1 FETCH (BODY[]<0> {4}
S: From)
S: g OK Fetched
C: h FETCH 1 BODY.PEEK[]<100000.4>
S: * 1 FETCH (BODY[]<100000> {0}
S: )
S: h OK Fetched
C: i FETCH 1 BODY[3]
S: * 1 FETCH (FLAGS (\Seen{{.*}}) BODY[3] {4}
S: AAEC)
S: i OK Fetched
C: j FETCH 1 (FLAGS RFC822.HEADER)
S~ Content-Type: multipart/mixed; boundary="b"
S: 
S: )
S: j OK Fetched
C: k FETCH 1 (BODY.PEEK[HEADER.FIELDS.NOT (From MIME-Version Content-Type)])
S: * 1 FETCH (BODY[HEADER.FIELDS.NOT (From MIME-Version Content-Type)] {18}
S: Subject: Parts
S: 
S: )
S: k OK Fetched
