# RFC 9051 section 6.4.5: a message that is not multipart has a part 1: its body.
include three_messages
C: f0 FETCH 1 BODY.PEEK[1]
S: * 1 FETCH (BODY[1] {17}
S: Apples are red.
S: )
S: f0 OK {{.*}}
C: f1 FETCH 1 BODY.PEEK[2]
S: * 1 FETCH (BODY[2] NIL)
S: f1 OK {{.*}}
