# RFC 5032 section 3: OLDER and YOUNGER by the internal date.
include three_messages
C: a SEARCH OLDER 86400
S: * SEARCH 1 2 3
S: a OK {{.*}}
C: b SEARCH YOUNGER 86400
S: * SEARCH
S: b OK {{.*}}
C: c SEARCH OLDER x
S: c BAD {{.*}}
