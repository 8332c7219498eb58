# RFC 9051 section 6.4.5.1: a message within has HEADER, TEXT and parts of its own.
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
C: f0 FETCH 1 BODY.PEEK[3.HEADER]
S: * 1 FETCH (BODY[3.HEADER] {43}
S: From: inner@example.org
S: Subject: inner
S: 
S: )
S: f0 OK {{.*}}
C: f1 FETCH 1 BODY.PEEK[3.TEXT]
S: * 1 FETCH (BODY[3.TEXT] {5}
S: three)
S: f1 OK {{.*}}
C: f2 FETCH 1 BODY.PEEK[3.1]
S: * 1 FETCH (BODY[3.1] {5}
S: three)
S: f2 OK {{.*}}
C: f3 FETCH 1 BODY.PEEK[3.HEADER.FIELDS (Subject)]
S: * 1 FETCH (BODY[3.HEADER.FIELDS (Subject)] {18}
S: Subject: inner
S: 
S: )
S: f3 OK {{.*}}
