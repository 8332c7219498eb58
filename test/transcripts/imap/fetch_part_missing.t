# RFC 9051 section 6.4.5.1: a part that is not there is NIL.
include one_of_parts
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
