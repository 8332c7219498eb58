# RFC 9051 section 6.4.5: a piece is named by where it begins, and ends with the message.
include three_messages
C: f0 FETCH 1 BODY.PEEK[TEXT]<0.6>
S: * 1 FETCH (BODY[TEXT]<0> {6}
S: Apples)
S: f0 OK {{.*}}
C: f1 FETCH 1 BODY.PEEK[TEXT]<7.3>
S: * 1 FETCH (BODY[TEXT]<7> {3}
S: are)
S: f1 OK {{.*}}
C: f2 FETCH 1 BODY.PEEK[TEXT]<11.100>
S: * 1 FETCH (BODY[TEXT]<11> {6}
S: red.
S: )
S: f2 OK {{.*}}
C: f3 FETCH 1 BODY.PEEK[TEXT]<16.0>
S: f3 BAD {{.*}}
C: f4 FETCH 1 BODY.PEEK[TEXT]<x.1>
S: f4 BAD {{.*}}
C: f5 FETCH 1 BODY.PEEK[TEXT]<1>
S: f5 BAD {{.*}}
