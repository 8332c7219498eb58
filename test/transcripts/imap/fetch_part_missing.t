# RFC 9051 section 6.4.5.1: a part that is not there is NIL.
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
C: f0 FETCH 1 BODY.PEEK[4]
S: * 1 FETCH (BODY[4] NIL)
S: f0 OK {{.*}}
C: f1 FETCH 1 BODY.PEEK[2.3]
S: * 1 FETCH (BODY[2.3] NIL)
S: f1 OK {{.*}}
C: f2 FETCH 1 BODY.PEEK[1.HEADER]
S: * 1 FETCH (BODY[1.HEADER] NIL)
S: f2 OK {{.*}}
C: f3 FETCH 1 BODY.PEEK[0]
S: f3 BAD {{.*}}
C: f4 FETCH 1 BODY.PEEK[1.]
S: f4 BAD {{.*}}
