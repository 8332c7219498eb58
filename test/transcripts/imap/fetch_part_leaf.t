# RFC 9051 section 6.4.5.1: part numbers lead to the content of leaves.
include one_of_parts
C: f0 FETCH 1 BODY.PEEK[1]
S: * 1 FETCH (BODY[1] {3}
S: one)
S: f0 OK {{.*}}
C: f1 FETCH 1 BODY.PEEK[2.1]
S: * 1 FETCH (BODY[2.1] {3}
S: two)
S: f1 OK {{.*}}
C: f2 FETCH 1 BODY.PEEK[2.2]
S: * 1 FETCH (BODY[2.2] {10}
S: <p>two</p>)
S: f2 OK {{.*}}
