# A literal has no NUL: APPEND is refused one, and a message that has some is shown with 0x80 instead.
login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX {21+}
C- Subject: x\r\n\r\na\0bcd\r\n\r\n
S: b NO [CANNOT] NUL takes a literal8
C: c APPEND INBOX ~{30+}
C- Subject: x\0\r\nA: b\0\r\n\r\na\0bcd\0\r\n\r\n
S~ c OK {{.*}} Appended
C: d FETCH 1 (RFC822.SIZE ENVELOPE BODY.PEEK[TEXT] BODY.PEEK[TEXT]<1.2> BODY.PEEK[HEADER.FIELDS (A)])
S: * 1 FETCH (RFC822.SIZE 30 ENVELOPE (NIL "x" NIL NIL NIL NIL NIL NIL NIL NIL) BODY[TEXT] {8}
S: a{{[^\x00]}}bcd{{[^\x00]}}
S:  BODY[TEXT]<1> {2}
S: {{[^\x00]}}b BODY[HEADER.FIELDS (A)] {9}
S: A: b{{[^\x00]}}
S: 
S: )
S: d OK Fetched
C: e SEARCH TEXT abcd
S: * SEARCH 1
S: e OK Searched
