# RFC 9051 section 6.4.5.1: MIME is the header of the part.
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
C: f0 FETCH 1 BODY.PEEK[1.MIME]
S: * 1 FETCH (BODY[1.MIME] {43}
S: Content-Type: text/plain; charset=utf-8
S: 
S: )
S: f0 OK {{.*}}
C: f1 FETCH 1 BODY.PEEK[2.2.MIME]
S: * 1 FETCH (BODY[2.2.MIME] {27}
S: Content-Type: text/html
S: 
S: )
S: f1 OK {{.*}}
