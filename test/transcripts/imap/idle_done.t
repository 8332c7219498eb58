# RFC 2177 section 3: IDLE ends with DONE, in any case of letters; anything else is BAD.
login A
C: a SELECT INBOX
S~ a OK {{.*}}
C: b IDLE
S: + {{.*}}
C: DONE
S: b OK {{.*}}
C: c IDLE
S: + {{.*}}
C: done
S: c OK {{.*}}
C: d IDLE
S: + {{.*}}
C: e NOOP
S: d BAD {{.*}}
C: f NOOP
S: f OK {{.*}}
