# RFC 9051 section 6.4.9: UID STORE; a UID that does not exist is no error.
include three_messages
C: a UID STORE 2 +FLAGS (\Seen)
S: * 2 FETCH (UID 2 FLAGS (\Flagged \Seen \Recent $work))
S: a OK {{.*}}
C: b UID STORE 99 +FLAGS (\Seen)
S: b OK {{.*}}
