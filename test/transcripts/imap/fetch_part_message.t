# RFC 9051 section 6.4.5.1: a message within has HEADER, TEXT and parts of its own.
include one_of_parts
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
