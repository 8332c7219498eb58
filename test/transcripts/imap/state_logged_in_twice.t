# RFC 9051 section 6.2: who is logged in does not log in again.
login A
C: a LOGIN ${user} ${password}
S: a BAD {{.*}}
C: b AUTHENTICATE PLAIN ${plain}
S: b BAD {{.*}}
C: c NOOP
S: c OK {{.*}}
