# RFC 5161 section 3.1: only what is known and new is told.
login A
C: a ENABLE CONDSTORE NOSUCH
S: * ENABLED CONDSTORE
S: a OK {{.*}}
C: b ENABLE CONDSTORE
S: * ENABLED
S: b OK {{.*}}
C: c ENABLE NOSUCH
S: * ENABLED
S: c OK {{.*}}
C: d ENABLE
S: d BAD {{.*}}
