# RFC 9051 section 6.4.5.1: MIME is the header of the part.
include one_of_parts
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
