# RFC 9051 section 6.4.5: items that are none are BAD, and the connection goes on.
include three_messages
C: a FETCH 1 NOSUCH
S: a BAD {{.*}}
C: b FETCH 1 ()
S: b BAD {{.*}}
C: c FETCH 1
S: c BAD {{.*}}
C: d FETCH UID
S: d BAD {{.*}}
C: e FETCH 1 (UID
S: e BAD {{.*}}
C: f FETCH 1 BODY[NOSUCH]
S: f BAD {{.*}}
C: g FETCH 1 BODY[HEADER.FIELDS ()]
S: g BAD {{.*}}
C: h FETCH 1 BODY[1.MIME.2]
S: h BAD {{.*}}
C: i FETCH 1 BODY[MIME]
S: i BAD {{.*}}
C: j FETCH 1 UID extra
S: j BAD {{.*}}
C: k NOOP
S: k OK {{.*}}
