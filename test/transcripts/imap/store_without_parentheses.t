# RFC 9051 section 6.4.6: the list of flags may stand without parentheses.
include three_messages
C: a STORE 1 +FLAGS \Flagged $x
S~ * 1 FETCH (UID 1 FLAGS (\Flagged \Seen \Recent{{.*}}$x{{.*}}))
S: a OK {{.*}}
