# RFC 9051 section 6.4.5: a message number that does not exist is BAD, a UID is passed over.
include three_messages
C: a FETCH 1,3 UID
S: * 1 FETCH (UID 1)
S: * 3 FETCH (UID 3)
S: a OK {{.*}}
C: b FETCH * UID
S: * 3 FETCH (UID 3)
S: b OK {{.*}}
C: c FETCH 3:2 UID
S: * 2 FETCH (UID 2)
S: * 3 FETCH (UID 3)
S: c OK {{.*}}
C: d FETCH 4 UID
S: d BAD {{.*}}
C: e FETCH 0 UID
S: e BAD {{.*}}
C: f UID FETCH 4 UID
S: f OK {{.*}}
C: g UID FETCH 2:99 UID
S: * 2 FETCH (UID 2)
S: * 3 FETCH (UID 3)
S: g OK {{.*}}
C: h UID FETCH * UID
S: * 3 FETCH (UID 3)
S: h OK {{.*}}
