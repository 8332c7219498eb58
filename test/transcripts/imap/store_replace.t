# RFC 9051 section 6.4.6: FLAGS replaces all but \Recent, and tells the result.
include three_messages
C: a STORE 1 FLAGS (\Deleted)
S: * 1 FETCH (UID 1 FLAGS (\Deleted \Recent))
S: a OK {{.*}}
C: b STORE 1 FLAGS ()
S: * 1 FETCH (UID 1 FLAGS (\Recent))
S: b OK {{.*}}
C: c FETCH 1 FLAGS
S: * 1 FETCH (FLAGS (\Recent))
S: c OK {{.*}}
