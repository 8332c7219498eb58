# RFC 3501 section 6.4.5: BODY of nested parts. A type that is told without a charset has none; lines are ends
# of lines.
message M1
From: a@example.org
Subject: parts
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble
--b
Content-Type: text/plain; charset=utf-8

one
--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/plain

two
--c
Content-Type: text/html

<p>two</p>
--c--
--b
Content-Type: message/rfc822

From: inner@example.org
Subject: inner

three
--b--
epilogue
end
login A
C: m1 APPEND INBOX {${length_M1}+}
C- ${M1}\r\n
S: m1 OK {{.*}}
C: sel SELECT INBOX
S~ sel OK {{.*}}
C: f0 FETCH 1 BODY
S: * 1 FETCH (BODY (("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 3 0)(("text" "plain" NIL NIL NIL "7bit" 3 0)("text" "html" NIL NIL NIL "7bit" 10 0) "alternative")("message" "rfc822" NIL NIL NIL "7bit" 48 (NIL "inner" ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0) 3) "mixed"))
S: f0 OK {{.*}}
